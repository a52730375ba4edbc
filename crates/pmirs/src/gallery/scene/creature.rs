//! Creatures.

use super::land::grass;
use crate::gallery::paint::{
    Color, Point, at, blades, cloud, cover, disc, ellipse, grey, limb, melt, noise, polygon, ramp, rgb,
    smooth, soft_cover, strewn,
};

/// A brown dog that stands in the grass of a park.
pub fn dog(p: Point) -> Color {
    let horizon = 0.22;
    let bushes = ramp(
        &[rgb(0x001E_3A1A), rgb(0x0064_8E44), rgb(0x00B8_CE8C)],
        0.2 + 0.5 * p.y + 0.7 * (cloud(p * 2.6, 4) - 0.4),
    );
    let lawn = grass(p, ((horizon - p.y) / 1.2).clamp(0.0, 1.0));
    let mut picture = bushes.under(lawn, soft_cover(p.y - horizon, 0.09));
    picture = picture * (1.0 - 0.55 * soft_cover(ellipse(p, at(-0.02, -0.70), at(0.70, 0.09)), 0.10));
    let fluff = 0.028 * (cloud(at(p.x * 26.0 + p.y * 10.0, p.y * 26.0), 3) - 0.5);
    let far_legs = limb(p, at(-0.34, -0.20), at(-0.28, -0.68), 0.085, 0.042).min(limb(
        p,
        at(0.26, -0.20),
        at(0.34, -0.68),
        0.075,
        0.042,
    ));
    picture = picture.under(coat(p, far_legs) * 0.58, soft_cover(far_legs + fluff, 0.012));
    let tail = limb(p, at(-0.52, 0.02), at(-0.78, 0.30), 0.075, 0.045).min(limb(
        p,
        at(-0.78, 0.30),
        at(-0.86, 0.46),
        0.05,
        0.02,
    ));
    let trunk =
        melt(ellipse(p, at(-0.28, -0.08), at(0.36, 0.23)), ellipse(p, at(0.20, -0.08), at(0.32, 0.27)), 0.14);
    let hind = melt(
        limb(p, at(-0.46, -0.12), at(-0.38, -0.36), 0.16, 0.09),
        limb(p, at(-0.38, -0.36), at(-0.46, -0.70), 0.075, 0.045),
        0.05,
    );
    let fore = limb(p, at(0.30, -0.16), at(0.22, -0.70), 0.11, 0.047);
    let paws =
        ellipse(p, at(-0.42, -0.72), at(0.085, 0.045)).min(ellipse(p, at(0.255, -0.72), at(0.085, 0.045)));
    let neck = limb(p, at(0.32, 0.02), at(0.54, 0.36), 0.21, 0.15);
    let animal = melt(melt(melt(trunk, hind, 0.06), fore.min(paws), 0.06), neck, 0.12).min(tail);
    picture = picture.under(coat(p, animal), soft_cover(animal + fluff, 0.012));
    head(picture, p, fluff)
}

fn head(picture: Color, p: Point, fluff: f32) -> Color {
    let skull = ellipse(p, at(0.60, 0.44), at(0.205, 0.185));
    let muzzle = limb(p, at(0.66, 0.38), at(0.90, 0.325), 0.105, 0.072);
    let face = melt(skull, muzzle, 0.08);
    let ear = ellipse((p - at(0.47, 0.36)).turned(-0.28), at(0.0, 0.0), at(0.092, 0.215));
    let tongue = limb(p, at(0.84, 0.26), at(0.855, 0.15), 0.034, 0.036);
    let mouth = limb(p, at(0.74, 0.275), at(0.93, 0.285), 0.010, 0.006);
    let collar = slab_between(p);
    let eye = disc(p, at(0.685, 0.475), 0.030);
    picture
        .under(rgb(0x00C0_2018), collar)
        .under(rgb(0x00E0_6A78), cover(tongue))
        .under(
            coat(p, face).under(rgb(0x00F2_DDB8), 0.55 * soft_cover(muzzle, 0.06)),
            soft_cover(face + 0.5 * fluff, 0.010),
        )
        .under(rgb(0x0030_1C10), cover(mouth))
        .under(coat(p, ear) * 0.66, soft_cover(ear + 0.5 * fluff, 0.012))
        .under(rgb(0x0018_0E08), cover(eye))
        .under(grey(0.95), cover(disc(p, at(0.692, 0.485), 0.009)))
        .under(rgb(0x0014_1010), cover(ellipse(p, at(0.955, 0.365), at(0.045, 0.036))))
        .under(grey(0.55), soft_cover(ellipse(p, at(0.95, 0.38), at(0.016, 0.008)), 0.01))
}

/// The collar around the neck.
fn slab_between(p: Point) -> f32 {
    let q = (p - at(0.46, 0.22)).turned(0.45);
    cover(q.y.abs() - 0.028) * cover(q.x.abs() - 0.185)
}

/// Golden fur, lit from above; `inside` is the distance to the rim.
fn coat(p: Point, inside: f32) -> Color {
    let hair = blades(at(p.x + 0.4 * p.y, p.y - 0.5 * p.x), 46.0);
    let round = smooth(0.0, -0.16, inside);
    let above = smooth(-0.75, 0.55, p.y);
    ramp(
        &[rgb(0x003E_200C), rgb(0x008E_5420), rgb(0x00C8_8A42), rgb(0x00EC_C488)],
        0.10 + 0.42 * hair + 0.16 * round + 0.30 * above,
    )
}

/// A monarch on a flower.
pub fn butterfly(p: Point) -> Color {
    let blur = cloud(p * 1.6 + at(3.0, 0.0), 3);
    let mut picture = ramp(&[rgb(0x002E_5A22), rgb(0x0072_A048), rgb(0x00B8_D488)], 0.1 + blur + 0.15 * p.y);
    for (x, y, size) in [(-1.0, 0.6, 0.22), (1.08, -0.25, 0.26), (-1.05, -0.65, 0.20), (0.85, 0.85, 0.16)] {
        picture = picture.under(rgb(0x00D8_78B8), 0.8 * soft_cover(disc(p, at(x, y), size), 0.10));
    }
    picture = blossom(picture, p - at(0.05, -0.62));
    for side in [-1.0, 1.0] {
        let q = at(p.x * side, p.y).turned(-0.06);
        let hind = ellipse((q - at(0.30, -0.16)).turned(0.75), at(0.0, 0.0), at(0.36, 0.235));
        picture = picture.under(wing(q, hind, at(0.03, 0.02)), cover(hind));
        let fore = melt(
            ellipse((q - at(0.42, 0.34)).turned(-0.62), at(0.0, 0.0), at(0.50, 0.215)),
            polygon(q, &[at(0.02, 0.02), at(0.46, 0.0), at(0.80, 0.66), at(0.62, 0.72)]),
            0.05,
        );
        picture = picture.under(wing(q, fore, at(0.03, 0.06)), cover(fore));
        let feeler =
            limb(q, at(0.015, 0.24), at(0.17, 0.52), 0.008, 0.006).min(disc(q, at(0.17, 0.525), 0.018));
        picture = picture.under(rgb(0x0014_100C), cover(feeler));
    }
    let trunk = limb(p, at(0.0, 0.24), at(0.0, -0.34), 0.048, 0.022).min(disc(p, at(0.0, 0.24), 0.052));
    let dots = smooth(0.03, 0.015, (p - at(0.025, 0.24)).length());
    picture
        .under(ramp(&[rgb(0x0008_0808), rgb(0x0048_403A)], 0.4 - 8.0 * p.x), cover(trunk))
        .under(grey(0.9), dots)
}

/// Orange cells between black veins, and a black rim with white dots.
fn wing(q: Point, inside: f32, root: Point) -> Color {
    let r = q - root;
    let fan = (r.angle() * 5.2 + 0.3 * r.length()).rem_euclid(1.0);
    let vein = smooth(0.05, 0.02, (fan - 0.5).abs() * r.length().max(0.12));
    let cross = smooth(0.022, 0.010, (r.length() - 0.40 - 0.04 * noise(q * 8.0)).abs());
    let orange = ramp(
        &[rgb(0x00C8_4A08), rgb(0x00F0_8418), rgb(0x00FF_B040)],
        0.2 + 0.9 * r.length() + 0.3 * (noise(q * 9.0) - 0.5),
    );
    let rim = smooth(-0.085, -0.065, inside);
    let row = (r.angle() * 17.0).rem_euclid(1.0) - 0.5;
    let dot = smooth(0.024, 0.014, at(row * 0.06, inside + 0.036).length());
    orange.under(rgb(0x0012_0C08), (0.9 * vein).max(0.9 * cross).max(rim)).under(rgb(0x00FA_F8F0), dot * rim)
}

/// A pink composite flower around the origin.
fn blossom(picture: Color, q: Point) -> Color {
    let stem = limb(q, at(0.02, -0.6), at(0.0, 0.0), 0.03, 0.03);
    let turn = q.angle() / std::f32::consts::TAU * 21.0;
    let flat = at(q.x, q.y * 1.9);
    let reach = flat.length() / 0.62;
    let petal = (turn - turn.round()).abs() * 2.0 - (1.0 - reach.powi(4)).max(0.0).sqrt() * 0.92;
    let pink = ramp(
        &[rgb(0x008A_2A72), rgb(0x00D8_62B4), rgb(0x00F6_B0DC)],
        0.25 + 0.6 * reach - 0.3 * (turn - turn.round()).abs(),
    );
    let middle = ramp(&[rgb(0x0070_300C), rgb(0x00E0_8A20)], noise(q * 44.0));
    picture
        .under(rgb(0x0046_7A2A), cover(stem))
        .under(pink, smooth(0.05, -0.05, petal) * smooth(1.0, 0.97, reach))
        .under(middle, soft_cover(ellipse(q, at(0.0, 0.03), at(0.20, 0.12)), 0.02))
}

/// A goldfish among water plants.
pub fn goldfish(p: Point) -> Color {
    let rays = smooth(0.35, 0.85, noise(at((p.x - 0.45 * p.y) * 3.2 + 7.0, 0.0))) * smooth(-0.8, 1.0, p.y);
    let mut picture =
        ramp(&[rgb(0x0006_2A3A), rgb(0x0012_5E70), rgb(0x0048_B0B8)], 0.35 + 0.35 * p.y + 0.25 * rays);
    for plant in 0..9 {
        let x = -1.25 + plant as f32 * 0.32 + if plant > 3 { 0.35 } else { 0.0 };
        let sway = 0.10 * (p.y * 4.0 + plant as f32 * 1.9).sin();
        let top = -0.15 + 0.75 * crate::gallery::paint::hash(plant, 5);
        let width = 0.045 * smooth(top, top - 0.5, p.y) * (0.7 + 0.3 * (p.y * 34.0).sin());
        let green = ramp(&[rgb(0x0008_3A20), rgb(0x003C_8A44)], 0.5 + 5.0 * (p.x - x - sway));
        picture = picture.under(
            green,
            0.9 * soft_cover((p.x - x - sway).abs() - width, 0.02) * smooth(top, top - 0.04, p.y),
        );
    }
    let (pebble, own) = strewn(p.scaled(13.0, 22.0), 3);
    let gravel = ramp(
        &[rgb(0x003A_3A30), rgb(0x00A0_987C), rgb(0x00DA_D0B0)],
        1.1 - 1.3 * pebble.length() + 0.5 * (own - 0.5),
    );
    picture = picture.under(gravel, soft_cover(p.y + 0.80 - 0.06 * noise(at(p.x * 3.0, 0.0)), 0.02));
    for (x, y, r) in [(0.98, 0.10, 0.035), (1.04, 0.30, 0.045), (0.96, 0.52, 0.03), (1.02, 0.72, 0.05)] {
        let away = disc(p, at(x, y), r);
        picture = picture.under(rgb(0x00D8_F4F6), 0.7 * smooth(0.012, 0.0, away.abs()) + 0.15 * cover(away));
    }
    fish(picture, p - at(0.12, 0.0))
}

fn fish(picture: Color, q: Point) -> Color {
    let wave = at(q.x, q.y + 0.05 * (q.x * 3.0).sin());
    let rays = 0.5 + 0.5 * noise(at((wave.y / (wave.x + 0.30).abs().max(0.1)) * 16.0, wave.length() * 2.0));
    let upper = ellipse((wave - at(-0.78, 0.20)).turned(0.55), at(0.0, 0.0), at(0.40, 0.15));
    let lower = ellipse((wave - at(-0.78, -0.22)).turned(-0.60), at(0.0, 0.0), at(0.42, 0.15));
    let dorsal = polygon(q, &[at(-0.30, 0.22), at(0.36, 0.28), at(0.16, 0.56), at(-0.14, 0.50)]);
    let belly_fin = ellipse((q - at(0.10, -0.38)).turned(0.9), at(0.0, 0.0), at(0.20, 0.08));
    let fin = ramp(&[rgb(0x00D8_4A0C), rgb(0x00FF_A040), rgb(0x00FF_D898)], 0.75 * rays + 0.25);
    let body = melt(
        ellipse(q, at(0.12, 0.0), at(0.54, 0.32)),
        limb(q, at(-0.20, 0.0), at(-0.55, 0.0), 0.16, 0.07),
        0.10,
    );
    let scale_x = q.x * 15.0;
    let row = (q.y * 19.0).floor();
    let scale =
        at((scale_x + 0.5 * row.rem_euclid(2.0)).rem_euclid(1.0) - 0.35, (q.y * 19.0).rem_euclid(1.0) - 0.5)
            .length();
    let gold = ramp(
        &[rgb(0x00B0_3404), rgb(0x00F4_7414), rgb(0x00FF_B038), rgb(0x00FF_E8A8)],
        0.48 + 0.9 * q.y + 0.20 * smooth(0.55, 0.2, scale) * smooth(0.40, 0.30, q.x)
            - 0.25 * smooth(-0.16, -0.3, q.y)
            + 0.30 * smooth(0.0, -0.28, q.y),
    );
    let gill = smooth(0.012, 0.004, (disc(q, at(0.52, -0.02), 0.22)).abs()) * smooth(0.40, 0.34, q.x);
    let pectoral = ellipse((q - at(0.20, -0.16)).turned(0.6), at(0.0, 0.0), at(0.17, 0.075));
    picture
        .under(fin, 0.85 * cover(upper.min(lower)))
        .under(fin * 0.95, 0.9 * cover(dorsal.min(belly_fin)))
        .under(gold.under(rgb(0x00A0_3808), 0.7 * gill), cover(body))
        .under(fin, 0.9 * cover(pectoral))
        .under(rgb(0x0050_1C08), cover(limb(q, at(0.64, -0.07), at(0.57, -0.09), 0.012, 0.006)))
        .under(rgb(0x00F8_E0A0), cover(disc(q, at(0.50, 0.09), 0.062)))
        .under(rgb(0x0008_0808), cover(disc(q, at(0.505, 0.09), 0.042)))
        .under(grey(1.0), cover(disc(q, at(0.52, 0.108), 0.012)))
}
