//! The painter's box: points, colours, noise, shapes, and the canvas.
//!
//! A point has y upwards, the canvas reaching from -1 to 1 in y and from -4/3 to 4/3 in x. Colours are in
//! display space, 0 to 1. Shapes are signed distances, negative inside.

use std::ops::{Add, Mul, Sub};

use image::{Rgb, RgbImage};

/// A place, or a direction.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// A colour; may leave 0 to 1 while light is being added up.
#[derive(Clone, Copy, Debug)]
pub struct Color {
    r: f32,
    g: f32,
    b: f32,
}

/// The colour `0xRRGGBB`.
pub const fn rgb(code: u32) -> Color {
    Color {
        r: ((code >> 16) & 255) as f32 / 255.0,
        g: ((code >> 8) & 255) as f32 / 255.0,
        b: (code & 255) as f32 / 255.0,
    }
}

/// A grey.
pub const fn grey(value: f32) -> Color {
    Color { r: value, g: value, b: value }
}

pub const fn at(x: f32, y: f32) -> Point {
    Point { x, y }
}

/// Paints every pixel, with the grain and the darker corners that a lens and a sensor leave.
pub fn canvas(width: u32, height: u32, scene: fn(Point) -> Color) -> RgbImage {
    let half = height as f32 / 2.0;
    RgbImage::from_fn(width, height, |column, row| {
        let p = at((column as f32 + 0.5 - width as f32 / 2.0) / half, (half - row as f32 - 0.5) / half);
        let vignette = 1.0 - 0.10 * (p.x * p.x + p.y * p.y);
        let grain = 0.022 * (hash(column as i32, row as i32) - 0.5);
        let lit = scene(p) * vignette + grey(grain);
        Rgb([lit.r, lit.g, lit.b].map(|channel| (channel.clamp(0.0, 1.0) * 255.0 + 0.5) as u8))
    })
}

impl Point {
    pub fn scaled(self, x: f32, y: f32) -> Self {
        at(self.x * x, self.y * y)
    }

    /// Turned by an angle in radians, counterclockwise.
    pub fn turned(self, angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        at(self.x * cos - self.y * sin, self.x * sin + self.y * cos)
    }

    pub fn length(self) -> f32 {
        self.x.hypot(self.y)
    }

    pub fn angle(self) -> f32 {
        self.y.atan2(self.x)
    }

    fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }
}

impl Add for Point {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        at(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        at(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f32> for Point {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        at(self.x * factor, self.y * factor)
    }
}

impl Color {
    /// This colour, with `other` laid over it; `amount` is clamped to 0 to 1.
    pub fn under(self, other: Self, amount: f32) -> Self {
        let amount = amount.clamp(0.0, 1.0);
        self * (1.0 - amount) + other * amount
    }
}

impl Add for Color {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { r: self.r + other.r, g: self.g + other.g, b: self.b + other.b }
    }
}

impl Mul<f32> for Color {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        Self { r: self.r * factor, g: self.g * factor, b: self.b * factor }
    }
}

/// A colour scale: 0 gives the first, 1 the last.
pub fn ramp(colors: &[Color], t: f32) -> Color {
    let last = colors.len().saturating_sub(1);
    let position = t.clamp(0.0, 1.0) * last as f32;
    let index = (position as usize).min(last.saturating_sub(1));
    match (colors.get(index), colors.get(index + 1)) {
        (Some(&low), Some(&high)) => low.under(high, position - index as f32),
        (Some(&only), None) => only,
        _ => grey(0.0),
    }
}

/// 0 below `low`, 1 above `high`, smooth between; `low` may be the larger one.
pub fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// How much of a shape covers this place, with an edge as sharp as a pixel.
pub fn cover(distance: f32) -> f32 {
    smooth(0.006, -0.006, distance)
}

/// The same, out of focus.
pub fn soft_cover(distance: f32, blur: f32) -> f32 {
    smooth(blur, -blur, distance)
}

pub fn disc(p: Point, center: Point, radius: f32) -> f32 {
    (p - center).length() - radius
}

/// Only about a distance, but with the right sign and the right scale near the rim.
pub fn ellipse(p: Point, center: Point, radii: Point) -> f32 {
    let q = p - center;
    (at(q.x / radii.x, q.y / radii.y).length() - 1.0) * radii.x.min(radii.y)
}

/// A rectangle with rounded corners.
pub fn slab(p: Point, center: Point, half: Point, round: f32) -> f32 {
    let q = p - center;
    let d = at(q.x.abs() - half.x + round, q.y.abs() - half.y + round);
    at(d.x.max(0.0), d.y.max(0.0)).length() + d.x.max(d.y).min(0.0) - round
}

/// A line from `a` to `b`, thinning from `wide` to `narrow`.
pub fn limb(p: Point, a: Point, b: Point, wide: f32, narrow: f32) -> f32 {
    let (pa, ba) = (p - a, b - a);
    let along = (pa.dot(ba) / ba.dot(ba)).clamp(0.0, 1.0);
    (pa - ba * along).length() - (wide + (narrow - wide) * along)
}

/// A convex polygon, corners counterclockwise.
pub fn polygon(p: Point, corners: &[Point]) -> f32 {
    let next = corners.iter().cycle().skip(1);
    corners.iter().zip(next).fold(f32::NEG_INFINITY, |far, (&a, &b)| {
        let edge = b - a;
        let outward = at(edge.y, -edge.x) * (1.0 / edge.length());
        far.max((p - a).dot(outward))
    })
}

/// Shapes melting into one another over about `k`.
pub fn melt(a: f32, b: f32, k: f32) -> f32 {
    let h = (0.5 + 0.5 * (b - a) / k).clamp(0.0, 1.0);
    b + (a - b) * h - k * h * (1.0 - h)
}

/// The light on a ball: 0 to 1 from its shadow side to the spot that faces the light at the upper left.
pub fn ball_light(p: Point, center: Point, radius: f32) -> f32 {
    let q = (p - center) * (1.0 / radius);
    let z = (1.0 - q.dot(q)).max(0.0).sqrt();
    (-0.45 * q.x + 0.6 * q.y + 0.66 * z).clamp(0.0, 1.0)
}

/// The glossy spot of a light at the upper left.
pub fn gloss(p: Point, center: Point, radius: f32) -> f32 {
    ball_light(p, center, radius).powi(24) * cover(disc(p, center, radius))
}

/// A number from 0 to 1 for each cell of a grid.
pub fn hash(x: i32, y: i32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
}

/// Smooth noise from 0 to 1 that changes over a distance of about 1.
pub fn noise(p: Point) -> f32 {
    let (cell_x, cell_y) = (p.x.floor(), p.y.floor());
    let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (u, v) = (fade(p.x - cell_x), fade(p.y - cell_y));
    let (x, y) = (cell_x as i32, cell_y as i32);
    let low = hash(x, y) * (1.0 - u) + hash(x + 1, y) * u;
    let high = hash(x, y + 1) * (1.0 - u) + hash(x + 1, y + 1) * u;
    low * (1.0 - v) + high * v
}

/// Noise with detail at every scale, 0 to 1: clouds, rock, foliage.
pub fn cloud(p: Point, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut q) = (0.0, 0.5, p);
    for _ in 0..octaves {
        sum += weight * noise(q);
        weight *= 0.5;
        q = q.turned(0.6) * 2.03 + at(17.3, 9.1);
    }
    sum / (1.0 - 0.5_f32.powi(octaves as i32))
}

/// Noise with sharp crests, 0 to 1: ridges, waves.
pub fn crest(p: Point, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut q) = (0.0, 0.5, p);
    for _ in 0..octaves {
        sum += weight * (1.0 - (2.0 * noise(q) - 1.0).abs());
        weight *= 0.5;
        q = q.turned(0.5) * 2.1 + at(3.7, 21.9);
    }
    sum / (1.0 - 0.5_f32.powi(octaves as i32))
}

/// Blades and leaves: noise stretched along y.
pub fn blades(p: Point, fineness: f32) -> f32 {
    let lean = 0.3 * noise(p * 3.0);
    0.6 * noise(at((p.x + lean * p.y) * fineness, p.y * fineness * 0.16))
        + 0.4 * noise(at((p.x - lean * p.y) * fineness * 2.1, p.y * fineness * 0.3 + 50.0))
}

/// The nearest of points strewn over a grid of cells: the way to it, and a number of its own from 0 to 1.
pub fn strewn(p: Point, seed: i32) -> (Point, f32) {
    let (cell_x, cell_y) = (p.x.floor() as i32, p.y.floor() as i32);
    let mut best = (at(9.0, 9.0), 0.0);
    for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
        let (x, y) = (cell_x + dx, cell_y + dy);
        let spot = at(x as f32 + hash(x, y ^ seed), y as f32 + hash(x ^ seed, y.wrapping_add(77)));
        if (p - spot).length() < best.0.length() {
            best = (p - spot, hash(x.wrapping_add(seed), y));
        }
    }
    best
}
