//! Things in the sky.

use crate::gallery::paint::{
    Color, Point, at, ball_light, cloud, cover, crest, disc, ellipse, grey, hash, limb, melt, noise, polygon,
    ramp, rgb, smooth, soft_cover,
};

/// A blue sky with fair-weather clouds; used behind other scenes as well.
pub fn daylight(p: Point) -> Color {
    let blue = ramp(&[rgb(0x00C9_DEEE), rgb(0x007F_B2E0), rgb(0x0037_73BD)], 0.5 + 0.5 * p.y);
    let drift = at(p.x * 1.1, p.y * 2.2 + 4.0);
    let body = cloud(drift, 6);
    let lit = cloud(drift + at(-0.12, 0.16), 5);
    let white = ramp(&[rgb(0x00A9_B4C4), rgb(0x00FF_FFFF)], 0.55 + 2.2 * (body - lit));
    blue.under(white, smooth(0.52, 0.68, body))
}

/// An airliner, from the side and a little below.
pub fn airplane(p: Point) -> Color {
    let sky = daylight(at(p.x * 0.8 + 3.0, p.y * 0.8 + 0.35));
    let q = p.turned(-0.16) - at(0.02, 0.02);
    let tube = ellipse(q, at(0.0, 0.0), at(0.92, 0.105));
    let body = tube.max(slab_tail(q));
    let fin = polygon(q, &[at(-0.86, 0.04), at(-0.60, 0.06), at(-0.80, 0.40), at(-0.92, 0.40)]);
    let tailplane = polygon(q, &[at(-1.0, -0.10), at(-0.90, -0.10), at(-0.62, 0.03), at(-0.80, 0.03)]);
    let near_wing = polygon(q, &[at(-0.52, -0.56), at(-0.42, -0.56), at(0.22, -0.04), at(-0.16, -0.04)]);
    let far_wing = polygon(q, &[at(-0.14, 0.07), at(0.14, 0.07), at(-0.30, 0.36), at(-0.38, 0.36)]);
    let engine = ellipse(q, at(-0.02, -0.23), at(0.13, 0.055));
    let shade = ramp(&[rgb(0x0070_7C8C), rgb(0x00C4_CCD6), rgb(0x00FB_FCFF)], 0.5 + q.y * 4.8);
    let windows = cover((q.y - 0.025).abs() - 0.014) * cover((q.x * 22.0).fract().abs() * 0.045 - 0.022);
    let stripe = cover((q.y + 0.02).abs() - 0.008);
    let painted = shade
        .under(rgb(0x001E_2B44), windows * cover(q.x.abs() - 0.68))
        .under(rgb(0x0024_4EA0), stripe)
        .under(rgb(0x0018_2233), cover(disc(q, at(0.84, 0.035), 0.045)));
    sky.under(rgb(0x00AE_B8C6), cover(far_wing))
        .under(rgb(0x0021_4C9E) * (0.8 + 0.5 * q.y), cover(fin))
        .under(painted, cover(body))
        .under(rgb(0x008F_9AAA), cover(tailplane))
        .under(ramp(&[rgb(0x0098_A3B2), rgb(0x00D5_DBE3)], 1.0 + q.y * 1.7), cover(near_wing))
        .under(ramp(&[rgb(0x004C_5666), rgb(0x00DD_E2EA)], 0.5 + (q.y + 0.23) * 9.0), cover(engine))
}

/// The fuselage rises towards the tail.
fn slab_tail(q: Point) -> f32 {
    -(q.y + 0.105 - 0.22 * smooth(-0.45, -0.98, q.x))
}

/// A full moon between thin clouds, over dark hills.
pub fn full_moon(p: Point) -> Color {
    let center = at(0.28, 0.30);
    let away = (p - center).length();
    let night = ramp(&[rgb(0x0012_1A30), rgb(0x0008_0E20), rgb(0x0003_0512)], 0.5 + 0.5 * p.y);
    let (to_star, own) = crate::gallery::paint::strewn(p * 11.0, 5);
    let star = smooth(0.10, 0.0, to_star.length()) * smooth(0.55, 1.0, own);
    let glow = rgb(0x0093_A5C8) * (0.42 * (-away * 2.3).exp());
    let veil = cloud(at(p.x * 1.2 + 5.0, p.y * 3.4), 6);
    let clouds = rgb(0x0077_86A6) * (smooth(0.48, 0.85, veil) * (0.10 + 0.75 * (-away * 1.5).exp()));
    let q = p - center;
    let maria = smooth(0.46, 0.66, cloud(q * 3.4 + at(8.3, 2.2), 5));
    let craters = crest(q * 9.0 + at(1.0, 7.0), 3);
    let surface = rgb(0x00F4_F0E2) * (0.80 + 0.20 * craters) * (1.0 - 0.34 * maria);
    let limb_dark = 0.78 + 0.22 * ball_light(p, center, 0.44);
    let sky = (night + grey(0.9 * star) + glow).under(surface * limb_dark, cover(away - 0.40)) + clouds;
    let hill = p.y + 0.72 - 0.16 * cloud(at(p.x * 1.6 + 3.0, 0.0), 4) + 0.03 * noise(p.scaled(40.0, 3.0));
    sky.under(rgb(0x0003_0509), cover(hill))
}

/// A striped balloon over a misty valley in the morning.
pub fn hot_air_balloon(p: Point) -> Color {
    let mut picture =
        ramp(&[rgb(0x00F7_D9B0), rgb(0x00E9_CDBB), rgb(0x009F_BFE0), rgb(0x004E_88C9)], (p.y + 0.75) * 0.62);
    for (layer, color) in [rgb(0x00B9_B2B8), rgb(0x0086_94A0), rgb(0x004E_6A5E)].into_iter().enumerate() {
        let depth = layer as f32;
        let ridge =
            -0.42 - 0.17 * depth + 0.26 * cloud(at(p.x * (1.0 + 0.5 * depth) + 9.0 * depth, depth), 5);
        let mist = smooth(0.0, -0.36, p.y - ridge) * 0.55;
        let trees = 0.03 * depth * noise(p.scaled(38.0, 10.0));
        picture = picture.under(color.under(rgb(0x00EC_DCC8), mist), soft_cover(p.y - ridge - trees, 0.012));
    }
    let center = at(-0.08, 0.30);
    let far = balloon(at(p.x - 0.92, p.y - 0.38) * 4.2, 1.5);
    picture = picture.under(far.0.under(rgb(0x00B8_C4D4), 0.35), far.1);
    let near = balloon((p - center) * 1.02, 0.0);
    picture.under(near.0, near.1)
}

/// A balloon around the origin, and how much it covers.
fn balloon(q: Point, hue: f32) -> (Color, f32) {
    let round = disc(q, at(0.0, 0.08), 0.52);
    let cone = polygon(q, &[at(-0.09, -0.66), at(0.09, -0.66), at(0.44, -0.18), at(-0.44, -0.18)]);
    let envelope = melt(round, cone, 0.10);
    let width = (0.52_f32 * 0.52 - (q.y - 0.08).powi(2)).max(0.02).sqrt().max(0.10);
    let gore =
        ((q.x / width).clamp(-1.0, 1.0).asin() / std::f32::consts::PI * 12.0 + 40.0 + hue).floor() as i32;
    let stripe = match gore.rem_euclid(4) {
        0 => rgb(0x00D2_2B2B),
        1 => rgb(0x00F3_B52A),
        2 => rgb(0x00E8_6A1E),
        _ => rgb(0x002B_5FB0),
    };
    let light = 0.42 + 0.68 * ball_light(q, at(0.0, 0.08), 0.62);
    let folds = 1.0 - 0.06 * hash(gore, 3) - 0.10 * smooth(-0.2, -0.66, q.y);
    let basket = polygon(q, &[at(-0.075, -0.93), at(0.075, -0.93), at(0.09, -0.79), at(-0.09, -0.79)]);
    let ropes = limb(q, at(-0.08, -0.66), at(-0.085, -0.80), 0.007, 0.007).min(limb(
        q,
        at(0.08, -0.66),
        at(0.085, -0.80),
        0.007,
        0.007,
    ));
    let wicker = rgb(0x0078_4E28) * (0.75 + 0.4 * noise(q * 60.0));
    let color = (stripe * light * folds).under(wicker, cover(basket)).under(rgb(0x0033_2A22), cover(ropes));
    (color, cover(envelope).max(cover(basket)).max(cover(ropes)))
}
