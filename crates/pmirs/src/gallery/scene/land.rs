//! Landscapes and what grows in them.

use super::sky::daylight;
use crate::gallery::paint::{
    Color, Point, at, blades, cloud, cover, crest, disc, ellipse, limb, noise, ramp, rgb, smooth, soft_cover,
    strewn,
};

/// Ground of grass seen at a low angle: finer towards the horizon, where `depth` is 0; 1 is at the feet.
pub fn grass(p: Point, depth: f32) -> Color {
    let far = 1.0 / (0.12 + depth);
    let tufts = cloud(at(p.x * far * 5.0, far * 9.0), 5);
    let upright = blades(p, 24.0 + 30.0 * (1.0 - depth));
    let texture = 0.55 * tufts + 0.45 * upright;
    let patches = cloud(at(p.x * far * 0.7, p.y * far * 2.2), 4);
    let green = ramp(&[rgb(0x0022_4416), rgb(0x004E_8026), rgb(0x0092_B948)], 1.9 * texture - 0.45);
    green
        .under(rgb(0x00A9_B75A), 0.55 * smooth(0.45, 0.8, patches))
        .under(rgb(0x008F_B06A), 0.5 * (1.0 - depth))
}

/// A meadow with flowers under a blue sky.
pub fn meadow(p: Point) -> Color {
    let horizon = -0.08 + 0.10 * (p.x * 1.1 + 0.4).sin();
    let wood = horizon + 0.05 + 0.10 * cloud(at(p.x * 4.0, 2.0), 5);
    let trees = ramp(&[rgb(0x0016_2E18), rgb(0x0044_6A34)], cloud(p * 16.0, 4));
    let sky = daylight(at(p.x, p.y - 0.2));
    let depth = ((horizon - p.y) / (1.0 + horizon)).clamp(0.0, 1.0);
    let mut ground = grass(p, depth);
    for (seed, color) in [(3, rgb(0x00F6_E04A)), (8, rgb(0x00FB_FBF4)), (21, rgb(0x00D8_3A34))] {
        let far = 1.0 / (0.06 + depth);
        let (way, own) = strewn(at(p.x * far * 4.0, far * 2.6), seed);
        let across = at(way.x, way.y * 0.9 * far).length();
        ground =
            ground.under(color * (0.8 + 0.3 * own), smooth(0.24, 0.15, across) * smooth(0.35, 0.45, own));
    }
    sky.under(trees, cover(p.y - wood)).under(ground, soft_cover(p.y - horizon, 0.01))
}

/// Snow peaks over a dark forest.
pub fn snowy_mountain(p: Point) -> Color {
    let sky = ramp(&[rgb(0x00DC_E8F2), rgb(0x0066_9CD8), rgb(0x0022_55A6)], 0.35 + 0.6 * p.y);
    let haze = cloud(at(p.x * 1.3, p.y * 4.0 + 2.0), 5);
    let mut picture = sky.under(rgb(0x00FF_FFFF), 0.7 * smooth(0.55, 0.8, haze));
    for (layer, (base, peak, at_x)) in [(-0.15, 0.55, 0.75), (-0.62, 1.38, -0.18)].into_iter().enumerate() {
        let slope = (p.x - at_x).abs() * (0.62 + 0.16 * layer as f32);
        let rough = 0.34 * (crest(at(p.x * 1.7 + 4.0 * layer as f32, 0.3), 5) - 0.5);
        let ridge = base + peak - slope + rough;
        picture = picture.under(rock_and_snow(p, p.y - base, layer as i32), cover(p.y - ridge));
    }
    let tops = -0.60
        + 0.10 * cloud(at(p.x * 1.5, 7.0), 3)
        + 0.13 * fir_tops(p.x * 13.0)
        + 0.05 * fir_tops(p.x * 29.0);
    let needles = ramp(&[rgb(0x0008_140F), rgb(0x0022_3A2B), rgb(0x0048_5F4E)], noise(p.scaled(60.0, 26.0)));
    picture.under(needles, cover(p.y - tops))
}

/// A saw of fir tips, 0 to 1, each of its own height.
fn fir_tops(x: f32) -> f32 {
    let tip = 1.0 - ((x.fract() + 1.0).fract() - 0.5).abs() * 2.0;
    tip * (0.45 + 0.55 * crate::gallery::paint::hash(x.floor() as i32, 4))
}

fn rock_and_snow(p: Point, height: f32, layer: i32) -> Color {
    let warp = 0.5 * (cloud(p * 1.6 + at(7.0, 3.0), 3) - 0.5);
    let q = at(p.x * 2.6 + warp + 0.5 * p.y, p.y * 1.3 - 0.5 * warp) + at(layer as f32 * 5.0, 0.0);
    let here = cloud(q, 7);
    let lit = 0.5 + 5.5 * (here - cloud(q + at(0.05, -0.03), 7));
    let snow = ramp(&[rgb(0x005E_7CAE), rgb(0x00B4_C8E6), rgb(0x00FF_FFFF)], lit);
    let rock =
        ramp(&[rgb(0x0022_2630), rgb(0x0055_555C), rgb(0x008A_857F)], lit + 0.4 * (cloud(q * 5.0, 3) - 0.5));
    let bare = smooth(0.60, 0.50, cloud(q * 2.3 + at(3.0, 1.0), 6) + 0.10 * height + 0.10 * (lit - 0.5));
    let hazy = if layer == 0 { 0.45 } else { 0.0 };
    snow.under(rock, bare).under(rgb(0x00A8_C2E4), hazy)
}

/// Sunlight between the trunks of a wood.
pub fn forest(p: Point) -> Color {
    let light = (-(p - at(0.25, 0.45)).length() * 1.1).exp();
    let leaves = cloud(p * 6.5, 5);
    let mut picture = ramp(
        &[rgb(0x000E_2410), rgb(0x003E_6B22), rgb(0x00B8_CF62), rgb(0x00F8_F6CC)],
        leaves * 0.65 + 0.75 * light - 0.05,
    );
    for layer in 0..4 {
        let near = layer as f32 / 3.0;
        let spacing = 7.5 - 5.2 * near;
        let x = p.x * spacing + 3.7 * layer as f32;
        let (cell, inside) = (x.floor() as i32, x - x.floor());
        let own = crate::gallery::paint::hash(cell, layer);
        let middle = 0.3 + 0.4 * own + 0.03 * (p.y * 3.0 + own * 9.0).sin();
        let half = (0.10 + 0.09 * own) * (1.0 + 0.35 * smooth(-0.4, -1.0, p.y));
        let across = (inside - middle) / half;
        let bark = ramp(
            &[rgb(0x000B_0A07), rgb(0x0033_271A), rgb(0x0066_5238)],
            0.35 - 0.25 * across + 0.5 * (cloud(p.scaled(46.0, 7.0), 3) - 0.4),
        );
        let hazed = bark.under(rgb(0x008D_A85A), 0.62 * (1.0 - near) * (0.4 + 0.6 * light));
        picture = picture.under(hazed, soft_cover((across.abs() - 1.0) * half / spacing, 0.007));
        let crown = smooth(0.50, 0.62, cloud(p * (4.0 + 3.0 * near) + at(11.0 * near, 3.0), 5))
            * smooth(-0.15, 0.8, p.y);
        picture =
            picture.under(ramp(&[rgb(0x0014_3012), rgb(0x007D_A636)], leaves + 0.4 * light), 0.75 * crown);
    }
    let floor = -0.52 + 0.08 * cloud(at(p.x * 2.0, 1.0), 4);
    let fern =
        ramp(&[rgb(0x0012_2408), rgb(0x003F_6320), rgb(0x0090_A848)], blades(p, 30.0) * 0.8 + 0.35 * light);
    let sun = rgb(0x00FF_F2B8) * (0.30 * light * smooth(0.45, 0.75, noise(at((p.x + 0.5 * p.y) * 7.0, 0.0))));
    picture.under(fern, soft_cover(p.y - floor, 0.06)) + sun
}

/// Dunes in low light.
pub fn desert(p: Point) -> Color {
    let sky = ramp(&[rgb(0x00F6_DDB4), rgb(0x00A9_C8E0), rgb(0x003D_7CC0)], 0.15 + 0.75 * p.y);
    let mut picture = sky;
    for layer in 0..4 {
        let near = layer as f32 / 3.0;
        let bend = (p.x * (1.7 - 0.5 * near) + 2.1 * layer as f32).sin();
        let ridge = 0.12 - 0.36 * near + (0.10 + 0.12 * near) * bend + 0.03 * noise(at(p.x * 3.0, near));
        let below = ridge - p.y;
        let lee = smooth(-0.10, 0.14, (p.x * (1.7 - 0.5 * near) + 2.1 * layer as f32 + below * 1.6).cos());
        let ripple =
            0.5 + 0.5 * ((p.y + 0.25 * cloud(p * 2.5, 3)) * (150.0 - 70.0 * near) + p.x * 14.0).sin();
        let sand = ramp(
            &[rgb(0x007A_4320), rgb(0x00C8_8644), rgb(0x00F2_C37E)],
            0.22 + 0.66 * lee + 0.13 * ripple * near,
        );
        let dusty = sand.under(rgb(0x00EB_C89A), 0.45 * (1.0 - near));
        picture = picture.under(dusty, cover(-below));
    }
    picture
}

/// A single maple in red and gold.
pub fn autumn_tree(p: Point) -> Color {
    let mut picture = daylight(at(p.x * 0.7 + 6.0, p.y * 0.7 + 0.2));
    let hill = -0.56 + 0.06 * (p.x * 1.7).sin();
    let meadow = grass(p, ((hill - p.y) * 1.8).clamp(0.05, 1.0)).under(rgb(0x00B8_9A4C), 0.30);
    picture = picture.under(meadow, cover(p.y - hill));
    let (way, own) = strewn(p.scaled(20.0, 42.0), 6);
    let fallen = ramp(&[rgb(0x00B8_3A14), rgb(0x00E2_8A20)], own);
    let ground =
        smooth(0.85, 0.2, (p.x - 0.02).abs()) * smooth(0.36, 0.28, way.length()) * cover(p.y - hill + 0.04);
    picture = picture.under(fallen, ground);
    let trunk = limb(p, at(0.0, -0.72), at(0.02, 0.05), 0.085, 0.05)
        .min(limb(p, at(0.0, -0.22), at(-0.34, 0.18), 0.04, 0.015))
        .min(limb(p, at(0.02, -0.15), at(0.38, 0.22), 0.04, 0.015));
    let bark = ramp(
        &[rgb(0x001C_120A), rgb(0x0064_4A30)],
        0.55 - 3.0 * p.x + 0.5 * (noise(p.scaled(60.0, 9.0)) - 0.5),
    );
    picture = picture.under(bark, cover(trunk));
    let crown = ellipse(p, at(0.0, 0.28), at(0.80, 0.62)) + 0.36 * (cloud(p * 3.2, 5) - 0.5);
    let (_, leaf) = strewn(p * 30.0, 2);
    let volume = 0.5 + 0.9 * (cloud(p * 4.0, 4) - cloud(p * 4.0 + at(-0.2, 0.28), 4)) * 2.0;
    let color = ramp(
        &[rgb(0x0058_1408), rgb(0x00B8_3412), rgb(0x00E8_7A1A), rgb(0x00F8_C448)],
        0.25 + 0.35 * volume + 0.38 * leaf + 0.12 * p.y,
    );
    let gaps = smooth(0.30, 0.38, cloud(p * 7.0 + at(3.0, 3.0), 4));
    picture.under(color, soft_cover(crown, 0.02) * gaps)
}

/// A sunflower before others, out of focus.
pub fn sunflower(p: Point) -> Color {
    let mut picture = ramp(
        &[rgb(0x0028_4A16), rgb(0x0067_8E34), rgb(0x0093_BBDC), rgb(0x0060_9AD6)],
        0.5 + 0.5 * p.y + 0.25 * (cloud(p * 2.0, 4) - 0.5),
    );
    for (x, y, size) in [(-1.05, 0.25, 0.20), (0.98, 0.05, 0.24), (-0.85, -0.55, 0.26), (1.15, 0.60, 0.14)] {
        let away = disc(p, at(x, y), 0.0);
        picture = picture
            .under(rgb(0x00E8_B520), soft_cover(away - size, 0.09))
            .under(rgb(0x0040_2A10), soft_cover(away - size * 0.45, 0.07));
    }
    let center = at(0.0, 0.14);
    let stem = limb(p, at(0.06, -1.1), center, 0.055, 0.045);
    picture =
        picture.under(ramp(&[rgb(0x0024_4A14), rgb(0x007E_A040)], 0.55 - (p.x - 0.03) * 7.0), cover(stem));
    let leaf = ellipse((p - at(0.36, -0.74)).turned(-0.5), at(0.0, 0.0), at(0.34, 0.13));
    picture =
        picture.under(ramp(&[rgb(0x0026_5216), rgb(0x0074_A338)], 0.5 + 2.0 * (p.y + 0.74)), cover(leaf));
    let q = p - center;
    for (ring, (count, length)) in [(19.0, 0.66), (23.0, 0.58)].into_iter().enumerate() {
        let turn = q.angle() / std::f32::consts::TAU * count + 0.45 * ring as f32;
        let own = crate::gallery::paint::hash(turn.round().rem_euclid(count) as i32, ring as i32);
        let sideways = (turn - turn.round()) * 2.0;
        let reach = q.length() / (length * (0.88 + 0.20 * own));
        let petal = sideways.abs() - (1.05 * (1.0 - reach.powi(3)).max(0.0)).sqrt() * 0.80;
        let veins = noise(at(sideways * 9.0 + own * 30.0, reach * 2.0));
        let color = ramp(
            &[rgb(0x00C2_7A08), rgb(0x00F2_B416), rgb(0x00FF_DC48)],
            0.15 + 0.55 * reach + 0.25 * veins - 0.22 * sideways.abs(),
        );
        picture = picture.under(
            color * (0.84 + 0.16 * ring as f32),
            smooth(0.05, -0.05, petal) * smooth(1.01, 0.98, reach),
        );
    }
    let (seed, own) = strewn(at(q.length() * 22.0, q.angle() * 9.0 + q.length() * 40.0), 3);
    let florets = ramp(
        &[rgb(0x001C_0F06), rgb(0x0060_3A14), rgb(0x00A0_6C24)],
        0.30 + 0.5 * own - 0.45 * seed.length() + 1.5 * (q.length() - 0.16),
    );
    picture.under(florets, soft_cover(q.length() - 0.27, 0.02))
}
