//! Things.

use super::land::grass;
use crate::gallery::paint::{
    Color, Point, at, ball_light, cloud, cover, disc, ellipse, gloss, limb, noise, ramp, rgb, slab, smooth,
    soft_cover,
};

/// A burning candle in the dark.
pub fn candle(p: Point) -> Color {
    let flame_at = at(0.0, 0.30);
    let away = (p - flame_at).length();
    let wall = rgb(0x0028_1408) * (0.6 + 0.5 * cloud(p * 2.0, 4));
    let mut picture = wall + rgb(0x00FF_9A30) * (0.42 * (-away * 1.7).exp());
    for (x, y, size) in [
        (-0.95, 0.55, 0.10),
        (0.90, 0.30, 0.13),
        (1.10, 0.75, 0.07),
        (-0.62, 0.82, 0.06),
        (-1.15, 0.05, 0.08),
    ] {
        picture = picture + rgb(0x00FF_B048) * (0.30 * soft_cover(disc(p, at(x, y), size), 0.03));
    }
    let board = ramp(
        &[rgb(0x000E_0603), rgb(0x0062_3614)],
        0.2 + 0.5 * cloud(p.scaled(1.5, 18.0), 4) + 0.5 * (-(p.x / 0.6).powi(2)).exp(),
    );
    picture = picture.under(board, soft_cover(p.y + 0.78, 0.02));
    let dish = ellipse(p, at(0.0, -0.80), at(0.46, 0.085));
    picture = picture.under(
        ramp(&[rgb(0x003A_2410), rgb(0x00C8_8A3A)], 0.3 + 0.9 * (p.y + 0.86) * 5.0 - 0.4 * p.x.abs()),
        cover(dish),
    );
    let wax = slab(p, at(0.0, -0.36), at(0.20, 0.45), 0.03);
    let drip = limb(p, at(-0.18, 0.05), at(-0.20, -0.30), 0.035, 0.045).min(limb(
        p,
        at(0.14, 0.06),
        at(0.19, -0.12),
        0.03,
        0.04,
    ));
    let glow = smooth(-0.75, 0.12, p.y);
    let ivory = ramp(
        &[rgb(0x0060_3A1C), rgb(0x00D2_A468), rgb(0x00FF_E2A4)],
        0.15 + 0.75 * glow - 0.9 * p.x.abs() + 0.1 * noise(p * 12.0),
    );
    picture = picture.under(ivory, cover(wax.min(drip)));
    let rim = ellipse(p, at(0.0, 0.08), at(0.20, 0.04));
    picture = picture.under(rgb(0x00FF_DC90), cover(rim));
    picture = picture.under(rgb(0x0020_1008), cover(limb(p, at(0.0, 0.08), at(0.01, 0.19), 0.012, 0.008)));
    let q = p - at(0.0, 0.16);
    let width = 0.115 * (q.y / 0.12).clamp(0.0, 1.0).sqrt() * (1.0 - (q.y / 0.52)).clamp(0.0, 1.0).powf(0.8);
    let tongue = q.x.abs() - width;
    let heat = 1.0 - (q.x.abs() / width.max(0.01)).powi(2);
    let fire = ramp(
        &[rgb(0x00FF_9018), rgb(0x00FF_D860), rgb(0x00FF_FFE8)],
        heat * (0.5 + 1.1 * (0.4 - q.y).max(0.0)),
    );
    let inside = if q.y > 0.0 && q.y < 0.52 { soft_cover(tongue, 0.014) } else { 0.0 };
    let blue = smooth(0.09, 0.0, q.y) * 0.5;
    (picture + rgb(0x00FF_A840) * (0.5 * (-away * 5.0).exp()))
        .under(fire.under(rgb(0x0040_60E0), blue), inside)
}

/// A football on the grass of a pitch.
pub fn football(p: Point) -> Color {
    let horizon = 0.28;
    let stand = ramp(
        &[rgb(0x0030_3A48), rgb(0x0074_8094), rgb(0x00B4_C2D4)],
        0.25 + 0.5 * p.y + 0.4 * (cloud(p.scaled(5.0, 8.0), 4) - 0.5),
    );
    let depth = ((horizon - p.y) / 1.28).clamp(0.0, 1.0);
    let stripes = if (p.x * 0.5 / (0.25 + depth)).rem_euclid(1.0) < 0.5 { 1.0 } else { 0.86 };
    let mut picture = stand.under(grass(p, depth) * stripes, soft_cover(p.y - horizon, 0.05));
    let goal = limb(p, at(-0.95, 0.20), at(-0.95, 0.72), 0.014, 0.014)
        .min(limb(p, at(-0.95, 0.72), at(0.05, 0.72), 0.014, 0.014))
        .min(limb(p, at(0.05, 0.72), at(0.05, 0.20), 0.014, 0.014));
    picture = picture.under(rgb(0x00F4_F6F8), 0.85 * soft_cover(goal, 0.018));
    let line = (p.y + 0.10 + 0.04 * p.x).abs() - 0.02;
    picture = picture.under(rgb(0x00F0_F4EE), 0.75 * soft_cover(line, 0.02));
    let (center, radius) = (at(0.22, -0.30), 0.52);
    picture = picture * (1.0 - 0.65 * soft_cover(ellipse(p, at(0.40, -0.80), at(0.66, 0.12)), 0.12));
    picture = picture.under(leather((p - center) * (1.0 / radius)), cover(disc(p, center, radius)));
    let blades_in_front = smooth(0.55, 0.75, noise(at(p.x * 40.0, p.y * 5.0))) * smooth(-0.70, -0.80, p.y);
    picture.under(grass(p, 0.9), blades_in_front) + rgb(0x00FF_FFFF) * (0.25 * gloss(p, center, radius))
}

/// The face of a ball of radius 1: black pentagons around the corners of an icosahedron.
fn leather(q: Point) -> Color {
    let z = (1.0 - q.x * q.x - q.y * q.y).max(0.0).sqrt();
    let (y, z) = (q.y * 0.94 - z * 0.34, q.y * 0.34 + z * 0.94);
    let (x, z) = (q.x * 0.90 + z * 0.43, -q.x * 0.43 + z * 0.90);
    // The three nearest of the twelve corners (0, ±1, ±φ) and their rotations, by cosine.
    let (short, long) = (0.525_73, 0.850_65);
    let mut near = [0.0_f32; 3];
    for (a, b, c) in [(x, y, z), (y, z, x), (z, x, y)] {
        let cosine = short * b.abs() + long * c.abs();
        let other = long * c.abs() - short * b.abs();
        let _ = a;
        for found in [cosine, other] {
            if let Some(slot) = near.iter_mut().find(|slot| **slot < found) {
                let _ = std::mem::replace(slot, found);
                near.sort_by(f32::total_cmp);
            }
        }
    }
    let [_, second, first] = near;
    let black = smooth(0.905, 0.915, first);
    let seam = smooth(0.018, 0.006, (first - second).abs()) * (1.0 - black);
    let light = 0.28 + 0.78 * ball_light(q, at(0.0, 0.0), 1.0);
    let white = rgb(0x00F4_F4F0).under(rgb(0x0050_5458), 0.75 * seam);
    let worn = 1.0 - 0.10 * cloud(q * 4.0, 4);
    white.under(rgb(0x0016_181C), black) * (light * worn)
}
