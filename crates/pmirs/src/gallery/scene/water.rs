//! Sea, shore and falling water.

use super::sky::daylight;
use crate::gallery::paint::{
    Color, Point, at, cloud, cover, crest, limb, noise, polygon, ramp, rgb, smooth, soft_cover, strewn,
};

/// The height of waves at a place on the sea, 0 to 1; `depth` is 0 at the horizon.
fn waves(p: Point, depth: f32) -> f32 {
    let far = 1.0 / (0.03 + depth);
    crest(at(p.x * far * 0.75 + 4.0, far * 2.6), 4)
}

/// The sun going down over the sea.
pub fn sunset(p: Point) -> Color {
    let sun = at(0.12, 0.10);
    let horizon = -0.02;
    let away = (p - sun).length();
    let dusk = ramp(
        &[rgb(0x00FF_D070), rgb(0x00F8_8A34), rgb(0x00D2_5040), rgb(0x0078_3A66), rgb(0x0030_2A5C)],
        (p.y - horizon) * 0.95 + 0.08 * away,
    );
    let band = cloud(at(p.x * 1.3 + 2.0, p.y * 6.5), 6);
    let underlit =
        ramp(&[rgb(0x0048_2440), rgb(0x00C0_4830), rgb(0x00FF_B050)], 0.9 - 1.3 * away + 0.6 * (band - 0.5));
    let sky = dusk.under(underlit, 0.85 * smooth(0.50, 0.66, band) * smooth(0.0, 0.25, p.y - horizon))
        + rgb(0x00FF_B84A) * (0.55 * (-away * 3.4).exp());
    let sky = sky.under(rgb(0x00FF_F6D0), soft_cover(away - 0.115, 0.014));
    let depth = (horizon - p.y).max(0.0);
    let wave = waves(p, depth);
    let mirror = ramp(
        &[rgb(0x00E8_803A), rgb(0x009A_4644), rgb(0x0040_2C50), rgb(0x0018_1C3A)],
        depth * 1.25 + 0.35 * (0.6 - wave),
    );
    let path = (-((p.x - sun.x) / (0.10 + 0.34 * depth)).powi(2)).exp()
        * smooth(0.50, 0.86, wave + 0.25 * (0.4 - depth));
    let sea = mirror + rgb(0x00FF_C060) * (1.05 * path);
    sky.under(sea, soft_cover(p.y - horizon, 0.008))
}

/// Sand, surf and a turquoise sea.
pub fn beach(p: Point) -> Color {
    let horizon = 0.30;
    let sky = daylight(at(p.x * 0.9 + 1.3, p.y * 0.9 - 0.15));
    let depth = (horizon - p.y).max(0.0);
    let wave = waves(p, depth * 0.9);
    let shore =
        -0.18 + 0.20 * (p.x * 0.9 + 0.5).sin() * 0.6 + 0.16 * p.x + 0.05 * cloud(at(p.x * 4.0, 0.0), 4);
    let blue = ramp(
        &[rgb(0x0016_5C9C), rgb(0x001E_8CB8), rgb(0x0044_BCC0), rgb(0x00A4_E0D0)],
        (horizon - p.y) / (horizon - shore) + 0.10 * (wave - 0.5),
    );
    let sea = blue.under(rgb(0x00FF_FFFF), 0.5 * smooth(0.80, 0.95, wave));
    let rows = ((p.y - shore) * 10.0 + 1.2 * cloud(p.scaled(2.2, 1.0), 4)).rem_euclid(1.7);
    let foam_line = smooth(0.35, 0.0, rows)
        * smooth(0.50, 0.02, p.y - shore)
        * smooth(0.34, 0.56, cloud(p.scaled(12.0, 22.0), 4));
    let sea = sea.under(rgb(0x00FB_FFFF), foam_line);
    let grain = cloud(p.scaled(30.0, 46.0), 4);
    let sand = ramp(
        &[rgb(0x00B8_9468), rgb(0x00DE_C294), rgb(0x00F4_E2BC)],
        0.2 + 0.65 * grain + 0.15 * cloud(p * 2.0, 3),
    );
    let wet = sand.under(rgb(0x0090_7A5C), 0.62 * smooth(-0.18, -0.02, p.y - shore));
    let lace = smooth(0.055, 0.0, (p.y - shore - 0.02 * noise(p * 14.0)).abs())
        * smooth(0.30, 0.50, cloud(p * 18.0, 4));
    let picture = sky.under(sea, soft_cover(p.y - horizon, 0.006)).under(wet, soft_cover(p.y - shore, 0.015));
    palm(picture.under(rgb(0x00FF_FFFF), lace), p)
}

/// A palm that leans in from the right.
fn palm(picture: Color, p: Point) -> Color {
    let crown = at(0.72, 0.55);
    let bow = at(0.10 * ((p.y + 0.9) * 2.0).sin(), 0.0);
    let trunk = limb(p + bow, at(1.18, -0.85), crown + at(0.04, 0.0), 0.055, 0.030);
    let bark =
        ramp(&[rgb(0x0042_2E1C), rgb(0x00A0_8258)], 0.5 + 0.5 * (p.y * 60.0).sin() * 0.4 - (p.x - 0.9) * 0.6);
    let mut picture = picture.under(bark, cover(trunk));
    for frond in 0..9 {
        let angle = 0.15 + frond as f32 * 0.72;
        let q = (p - crown).turned(-angle);
        let droop = at(q.x, q.y + 0.55 * q.x * q.x * angle.cos().signum());
        let rib = (droop.x - 0.26).abs() - 0.26;
        let width = 0.085
            * (1.0 - (droop.x / 0.52).clamp(0.0, 1.0)).sqrt()
            * (0.45 + 0.55 * ((droop.x * 95.0).sin() * 0.5 + 0.5));
        let blade = rib.max(droop.y.abs() - width);
        let green = ramp(
            &[rgb(0x0012_3410), rgb(0x0048_7A28), rgb(0x009A_B850)],
            0.5 + droop.y * 5.0 + 0.4 * (0.5 - droop.x),
        );
        picture = picture.under(green, cover(blade));
    }
    picture
}

/// A white sailing boat on a blue sea.
pub fn sailing_boat(p: Point) -> Color {
    let horizon = -0.14;
    let sky = daylight(at(p.x * 0.8 - 4.0, p.y * 0.8 + 0.1));
    let coast = horizon + 0.10 * cloud(at(p.x * 2.2 + 1.0, 0.0), 5) * smooth(0.1, -0.9, p.x);
    let depth = (horizon - p.y).max(0.0);
    let wave = waves(p, depth);
    let water = ramp(
        &[rgb(0x000C_2C58), rgb(0x001E_5C96), rgb(0x0066_A6CE)],
        0.15 + 0.7 * wave + 0.25 * (0.3 - depth),
    );
    let water = water.under(rgb(0x00FF_FFFF), 0.7 * smooth(0.84, 0.97, wave));
    let mirrored =
        smooth(0.46, 0.10, (p.x - 0.02).abs()) * smooth(-0.75, -0.32, p.y) * smooth(0.35, 0.75, wave);
    let water = water.under(rgb(0x00E6_EEF4), 0.55 * mirrored);
    let picture =
        sky.under(rgb(0x005E_7C94), cover(p.y - coast)).under(water, soft_cover(p.y - horizon, 0.006));
    let q = p.turned(0.06);
    let belly = 0.06 * (1.0 - ((q.y - 0.2) / 0.65).powi(2)).max(0.0);
    let main = polygon(at(q.x + belly, q.y), &[at(-0.50, -0.16), at(-0.02, -0.18), at(-0.02, 0.86)]);
    let jib = polygon(at(q.x - belly * 0.8, q.y), &[at(0.03, -0.16), at(0.46, -0.20), at(0.02, 0.74)]);
    let hull = polygon(q, &[at(-0.46, -0.42), at(0.34, -0.42), at(0.60, -0.22), at(-0.54, -0.25)]);
    let mast = limb(q, at(0.0, -0.25), at(0.0, 0.90), 0.011, 0.008);
    let cloth =
        ramp(&[rgb(0x00B4_BECC), rgb(0x00FF_FFFF)], 0.75 + 0.7 * q.x - 0.1 * (q.y * 26.0).sin().powi(8));
    let side = ramp(&[rgb(0x0018_2A4C), rgb(0x00F6_F8FA)], smooth(-0.345, -0.335, q.y) - 0.12 * (q.x + 0.5));
    picture
        .under(cloth, cover(main))
        .under(cloth * 0.95, cover(jib))
        .under(rgb(0x0060_5848), cover(mast))
        .under(side, cover(hull))
        .under(
            rgb(0x00FF_FFFF),
            0.8 * smooth(0.055, 0.0, (q.y + 0.43).abs())
                * smooth(0.75, 0.4, q.x.abs())
                * smooth(0.4, 0.6, noise(q.scaled(14.0, 30.0))),
        )
}

/// Water falling over dark rock into a pool.
pub fn waterfall(p: Point) -> Color {
    let q = p * 2.6;
    let lit = 0.5 + 2.4 * (crest(q, 6) - crest(q + at(0.05, -0.05), 6));
    let rock = ramp(&[rgb(0x0010_120F), rgb(0x003E_4038), rgb(0x0080_7C6C)], lit);
    let moss = smooth(0.42, 0.62, cloud(p * 3.5 + at(9.0, 1.0), 5)) * smooth(0.1, 0.5, p.x.abs() + 0.2 * p.y);
    let mut picture = rock.under(
        ramp(&[rgb(0x0018_3210), rgb(0x006A_9A34)], cloud(p * 24.0, 3) + 0.4 * (lit - 0.5)),
        0.9 * moss,
    );
    let leaves =
        smooth(0.42, 0.56, cloud(p * 5.0 + at(2.0, 5.0), 5)) * smooth(0.35, 0.95, p.y + 0.35 * p.x.abs());
    picture = picture.under(ramp(&[rgb(0x0016_3A12), rgb(0x0078_AE3C)], cloud(p * 20.0, 4)), leaves);
    let wobble = 0.07 * (cloud(at(p.y * 2.5, 3.0), 4) - 0.5);
    let width = 0.20 + 0.10 * smooth(0.8, -0.5, p.y);
    let strands = cloud(at((p.x + wobble) * 20.0, p.y * 1.1), 5);
    let fall =
        soft_cover((p.x + wobble).abs() - width - 0.10 * (strands - 0.5), 0.05) * smooth(0.86, 0.78, p.y);
    let white = ramp(&[rgb(0x0088_A4B4), rgb(0x00D8_E8F0), rgb(0x00FF_FFFF)], 0.05 + 1.15 * strands);
    picture = picture.under(white, fall * smooth(-0.75, -0.6, p.y));
    let pool = -0.58 + 0.03 * noise(at(p.x * 5.0, 0.0));
    let ripple = crest(p.scaled(5.0, 22.0), 4);
    let water = ramp(
        &[rgb(0x0010_2E30), rgb(0x002E_6C68), rgb(0x00A8_D0CC)],
        0.55 * ripple + 0.5 * (-(p.x / 0.5).powi(2)).exp() * smooth(-1.0, -0.6, p.y),
    );
    let spray =
        (-((p.x / 0.48).powi(2) + ((p.y + 0.56) / 0.17).powi(2))).exp() * (0.55 + 0.7 * cloud(p * 5.0, 4));
    let (stone, own) = strewn(at(p.x * 2.1, (p.y + 0.85) * 3.4), 9);
    let boulder = stone.length() - 0.22 - 0.16 * own;
    let stones = cover(boulder) * smooth(-0.62, -0.72, p.y) * smooth(0.35, 0.5, p.x.abs());
    picture
        .under(water, soft_cover(p.y - pool, 0.02))
        .under(rock * (0.7 + 0.6 * (stone.y + 0.4)), stones)
        .under(rgb(0x00F4_FAFC), spray)
}
