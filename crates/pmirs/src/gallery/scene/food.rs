//! Things to eat and drink, on tables.

use crate::gallery::paint::{
    Color, Point, at, ball_light, cloud, cover, crest, disc, ellipse, gloss, hash, limb, noise, ramp, rgb,
    smooth, soft_cover, strewn,
};

/// A wooden table that goes out of focus towards the top.
fn table(p: Point) -> Color {
    let board = (p.y * 2.3 + 0.1 * p.x).floor();
    let grain = cloud(at(p.x * 1.3 + board * 7.7, p.y * 26.0), 5);
    let wood = ramp(
        &[rgb(0x0058_341A), rgb(0x009A_6636), rgb(0x00CE_9A5E)],
        0.05 + 0.9 * grain + 0.12 * hash(board as i32, 1),
    );
    let joint = smooth(0.03, 0.0, (p.y * 2.3 + 0.1 * p.x - board - 0.5).abs() - 0.47);
    wood * (0.72 + 0.28 * joint)
}

/// The shadow of something at `center`, falling to the lower right.
fn shadow(picture: Color, p: Point, center: Point, radii: Point) -> Color {
    picture * (1.0 - 0.62 * soft_cover(ellipse(p, center, radii), 0.16))
}

/// A red apple on a wooden table.
pub fn red_apple(p: Point) -> Color {
    let wall = ramp(&[rgb(0x00A8_B4AE), rgb(0x00E4_E6DC)], 0.6 - 0.35 * p.x + 0.2 * p.y);
    let mut picture = wall.under(table(at(p.x, p.y * 1.6)), soft_cover(p.y + 0.22, 0.05));
    picture = shadow(picture, p, at(0.14, -0.62), at(0.72, 0.16));
    let q = at(p.x, p.y + 0.02);
    let dent = 0.10 * (-(q.x / 0.17).powi(2)).exp() * smooth(0.1, 0.6, q.y)
        + 0.05 * (-(q.x / 0.16).powi(2)).exp() * smooth(-0.3, -0.6, q.y);
    let body = ellipse(q, at(0.0, 0.0), at(0.62 + 0.05 * q.y, 0.58)) + dent;
    let light = ball_light(q, at(0.0, 0.0), 0.68);
    let streaks = cloud(at(q.angle() * 9.0, q.length() * 2.0), 4);
    let blush = ramp(
        &[rgb(0x0056_0408), rgb(0x00B0_1216), rgb(0x00DE_2C22), rgb(0x00F0_6A3A)],
        0.10 + 0.68 * light + 0.30 * (streaks - 0.4),
    );
    let yellow = smooth(0.38, 0.56, q.y) * smooth(0.40, 0.05, q.x.abs()) * (0.5 + 0.5 * streaks);
    let specks = smooth(0.12, 0.05, strewn(q * 16.0, 3).0.length()) * 0.35;
    let skin = blush.under(rgb(0x00E2_B848), 0.75 * yellow).under(rgb(0x00F2_C088), specks)
        + rgb(0x00FF_FFFF) * (0.85 * gloss(q + at(0.02, -0.02), at(0.0, 0.0), 0.68));
    picture = picture.under(skin, cover(body));
    let stem = limb(q, at(0.0, 0.44), at(0.08, 0.74), 0.022, 0.030);
    picture =
        picture.under(ramp(&[rgb(0x002A_1A0C), rgb(0x0084_6038)], 0.5 - 9.0 * (q.x - 0.04)), cover(stem));
    let r = (q - at(0.28, 0.70)).turned(-0.35);
    let leaf = ellipse(r, at(0.0, 0.0), at(0.24, 0.09 * (1.0 - (r.x / 0.30).powi(2)).max(0.05)));
    let vein = smooth(0.012, 0.0, r.y.abs());
    picture.under(
        ramp(&[rgb(0x001E_4A14), rgb(0x0078_B03C)], 0.45 + 3.5 * r.y).under(rgb(0x00A8_CC70), 0.6 * vein),
        cover(leaf),
    )
}

/// Whole and cut oranges.
pub fn oranges(p: Point) -> Color {
    let mut picture = table(p * 0.9 + at(0.3, 0.2));
    for (x, y, r) in [(-0.70, 0.36, 0.44), (0.30, 0.50, 0.42), (0.98, 0.30, 0.38)] {
        let center = at(x, y);
        picture = shadow(picture, p, center + at(0.10, -0.12), at(r * 1.1, r));
        let light = ball_light(p, center, r);
        let pores = noise((p - center) * 46.0);
        let peel = ramp(
            &[rgb(0x0084_3404), rgb(0x00E2_7410), rgb(0x00FF_A428)],
            0.12 + 0.8 * light + 0.16 * (pores - 0.5),
        );
        let navel = smooth(0.05, 0.02, (p - center - at(0.05, 0.10)).length());
        picture = picture.under(
            (peel + rgb(0x00FF_F0D0) * (0.6 * gloss(p, center, r))).under(rgb(0x006E_7A2C), 0.8 * navel),
            cover(disc(p, center, r)),
        );
    }
    for (x, y, r, turn) in [(-0.22, -0.34, 0.50, 0.2), (0.80, -0.46, 0.40, 0.9)] {
        let center = at(x, y);
        picture = shadow(picture, p, center + at(0.10, -0.10), at(r * 1.06, r * 0.98));
        picture = picture.under(slice((p - center) * (1.0 / r), turn), cover(disc(p, center, r)));
    }
    picture
}

/// The cut face of an orange of radius 1.
fn slice(q: Point, turn: f32) -> Color {
    let r = q.length();
    let segment = (q.angle() + turn) / std::f32::consts::TAU * 10.0;
    let wall = (segment - segment.round()).abs() * r * 0.63;
    let vesicles = cloud(at(q.angle() * 16.0, r * 4.0), 4);
    let flesh = ramp(&[rgb(0x00DE_6A08), rgb(0x00FA_9A1E), rgb(0x00FF_C85A)], 0.05 + 0.95 * vesicles);
    let pith = rgb(0x00FB_E6B8);
    flesh
        .under(pith, smooth(0.045, 0.015, wall))
        .under(pith, smooth(0.10, 0.06, r))
        .under(pith, smooth(0.86, 0.90, r))
        .under(rgb(0x00F0_8A14), smooth(0.94, 0.965, r))
}

/// A pizza from above.
pub fn pizza(p: Point) -> Color {
    let r = p.length() + 0.03 * (noise(at(p.angle() * 2.0 + 9.0, 1.0)) - 0.5);
    let mut picture = shadow(table(p * 0.8 + at(1.0, 0.0)), p, at(0.05, -0.06), at(0.98, 0.98));
    let crust_light = 0.5 + 0.5 * (1.0 - ((r - 0.84) / 0.10).powi(2)) + 0.16 * (p.y - p.x);
    let char_spots = smooth(0.56, 0.72, cloud(p * 7.0, 4));
    let crust = ramp(&[rgb(0x0080_4A1C), rgb(0x00C8_8A44), rgb(0x00EE_C684)], crust_light * 0.9 - 0.1)
        .under(rgb(0x0050_280E), 0.6 * char_spots);
    picture = picture.under(crust, cover(r - 0.93));
    let sauce = ramp(&[rgb(0x008C_1A08), rgb(0x00C8_3A14), rgb(0x00DE_6A2A)], cloud(p * 6.0, 4));
    let melted = cloud(p * 3.6 + at(4.0, 4.0), 5);
    let cheese =
        ramp(&[rgb(0x00E0_9A34), rgb(0x00F6_CC66), rgb(0x00FF_EAA8)], 0.15 + 0.8 * cloud(p * 9.0, 4))
            .under(rgb(0x00A8_5A20), 0.7 * smooth(0.64, 0.76, cloud(p * 5.0 + at(2.0, 8.0), 4)));
    picture = picture.under(sauce.under(cheese, smooth(0.36, 0.46, melted)), soft_cover(r - 0.80, 0.03));
    for slot in 0..9 {
        let (ring, angle) =
            if slot < 3 { (0.27, slot as f32 * 2.1 + 0.4) } else { (0.60, slot as f32 * 1.047 + 0.2) };
        let center = at(ring * angle.cos(), ring * angle.sin());
        let q = p - center;
        let flecks = cloud(q * 22.0 + at(slot as f32, 0.0), 3);
        let salami =
            ramp(&[rgb(0x0076_120C), rgb(0x00B4_2A1C), rgb(0x00D8_6A50)], 0.1 + 0.7 * flecks + 0.8 * q.y)
                .under(rgb(0x005C_0C08), smooth(0.115, 0.135, q.length()));
        picture = (picture * (1.0 - 0.35 * soft_cover(disc(p, center + at(0.015, -0.02), 0.145), 0.04)))
            .under(salami, cover(q.length() - 0.138));
    }
    for leaf in 0..6 {
        let angle = leaf as f32 * 1.13 + 0.9;
        let q = (p - at(0.44 * angle.cos(), 0.44 * angle.sin())).turned(angle * 1.7);
        let green = ramp(&[rgb(0x0014_3E0E), rgb(0x0058_9A30)], 0.5 + 5.0 * q.y);
        picture = picture.under(green, cover(ellipse(q, at(0.0, 0.0), at(0.12, 0.05))));
    }
    for cut in 0..4 {
        let q = p.turned(cut as f32 * std::f32::consts::FRAC_PI_4 + 0.3);
        picture = picture * (1.0 - 0.40 * smooth(0.012, 0.004, q.y.abs()) * cover(r - 0.93));
    }
    picture
}

/// A cup of coffee with milk foam, on a saucer.
pub fn coffee(p: Point) -> Color {
    let mut picture = table(p * 0.85 + at(2.0, 0.7));
    let middle = at(-0.05, -0.05);
    picture = shadow(picture, p, middle + at(0.14, -0.20), at(0.98, 0.72));
    let q = p - middle;
    let saucer = ellipse(q, at(0.0, -0.16), at(0.94, 0.66));
    let china = ramp(&[rgb(0x009A_A0A8), rgb(0x00EC_EEF0), rgb(0x00FF_FFFF)], 0.62 - 0.35 * q.x + 0.4 * q.y);
    let groove = smooth(0.02, 0.0, ellipse(q, at(0.0, -0.16), at(0.68, 0.46)).abs());
    picture = picture.under(china * (1.0 - 0.18 * groove), cover(saucer));
    picture = picture
        * (1.0 - 0.45 * soft_cover(ellipse(q, at(0.10, -0.26), at(0.58, 0.36)), 0.14) * cover(saucer));
    let ring = ellipse(q, at(0.62, 0.02), at(0.24, 0.18)).abs() - 0.045;
    picture = picture.under(china * 0.94, cover(ring));
    let wall = ellipse(q, at(0.0, -0.10), at(0.58, 0.48));
    let round = ramp(&[rgb(0x0088_8E98), rgb(0x00E6_E8EA), rgb(0x00FF_FFFF)], 0.60 - 0.75 * q.x + 0.2 * q.y);
    picture = picture.under(round, cover(wall));
    let rim = ellipse(q, at(0.0, 0.10), at(0.60, 0.40));
    picture = picture.under(rgb(0x00FA_FAF8), cover(rim));
    let inside = ellipse(q, at(0.0, 0.09), at(0.555, 0.362));
    picture = picture.under(ramp(&[rgb(0x00A4_A09A), rgb(0x00DC_D8D0)], 0.5 - q.y), cover(inside));
    let surface = ellipse(q, at(0.0, 0.055), at(0.525, 0.325));
    let s = at(q.x / 0.525, (q.y - 0.055) / 0.325);
    let crema = ramp(
        &[rgb(0x0034_1808), rgb(0x007A_451C), rgb(0x00B0_7438)],
        0.15 + 0.6 * cloud(s * 5.0, 4) + 0.2 * s.length(),
    );
    let heart = at(s.x, s.y + 0.10 - 0.55 * s.x.abs());
    let rings = (heart.length() * 21.0).sin().abs();
    let art = soft_cover(heart.length() - 0.52, 0.06)
        * smooth(0.10, 0.55, rings + 0.6 * soft_cover(heart.length() - 0.26, 0.05));
    picture.under(crema.under(rgb(0x00F2_DFC0), art * 0.95), cover(surface))
        + rgb(0x00FF_FFFF) * (0.05 * crest(p * 1.5, 3) * smooth(0.3, 0.9, p.y))
}
