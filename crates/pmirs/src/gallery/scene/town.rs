//! Streets and what drives in them.

use super::sky::daylight;
use crate::gallery::paint::{
    Color, Point, at, cloud, cover, disc, ellipse, grey, hash, noise, polygon, ramp, rgb, slab, smooth,
    soft_cover,
};

/// A skyline with lit windows and its reflection in a river.
pub fn city_at_night(p: Point) -> Color {
    let shore = -0.42;
    let above = skyline(p, shore);
    let wobble =
        0.03 * (noise(at(p.x * 5.0, p.y * 60.0)) - 0.5) + 0.015 * (noise(at(p.x * 22.0, p.y * 130.0)) - 0.5);
    let mirrored = skyline(at(p.x + wobble * 1.4, 2.0 * shore - p.y * 1.0 + wobble * 2.0), shore);
    let streaks = 0.55 + 0.45 * noise(at(p.x * 3.0, p.y * 70.0));
    let water = (mirrored * (0.72 * streaks)).under(rgb(0x0006_0A18), 0.25);
    let quay = smooth(0.012, 0.004, (p.y - shore).abs());
    let lamp = (p.x * 7.0).rem_euclid(1.0) - 0.5;
    let lights = rgb(0x00FF_C468)
        * ((-(lamp / 0.10).powi(2)).exp() * (-((p.y - shore - 0.03) / 0.022).powi(2)).exp() * 1.1);
    above.under(water, cover(p.y - shore)).under(rgb(0x0014_100C), quay) + lights
}

fn skyline(p: Point, shore: f32) -> Color {
    let glow =
        ramp(&[rgb(0x009A_5A48), rgb(0x0050_3A5C), rgb(0x0018_1E3E), rgb(0x0006_0A1C)], (p.y - shore) * 0.95);
    let mut picture = glow.under(rgb(0x0070_4A50), 0.4 * smooth(0.45, 0.8, cloud(p.scaled(1.5, 4.0), 5)));
    for layer in 0..3 {
        let near = layer as f32 / 2.0;
        let spacing = 8.5 - 3.4 * near;
        let x = p.x * spacing + 5.0 * near + 30.0;
        let (cell, inside) = (x.floor() as i32, x - x.floor());
        let own = hash(cell, layer + 40);
        let center_bias = (-(p.x / 0.85).powi(2)).exp();
        let height = shore
            + 0.16
            + (0.85 - 0.42 * near) * own * own.sqrt() * (0.45 + 0.75 * center_bias)
            + 0.10 * hash(cell, 9);
        let gap = 0.05 + 0.05 * hash(cell, 11);
        let tower = (p.y - height).max((inside - 0.5).abs() / spacing - (0.5 - gap) / spacing);
        let facade = ramp(&[rgb(0x0030_304C), rgb(0x0016_182A), rgb(0x000A_0B16)], near + 0.2 * inside);
        let (columns, rows) = (5.0 + (own * 4.0).floor(), 26.0 + 14.0 * near);
        let (wx, wy) = (inside * columns, p.y * rows);
        let lit = hash(wx.floor() as i32 + cell * 17, wy.floor() as i32 + layer * 101);
        let pane = smooth(0.42, 0.32, (wx - wx.floor() - 0.5).abs())
            * smooth(0.38, 0.26, (wy - wy.floor() - 0.5).abs());
        let warm =
            ramp(&[rgb(0x00FF_B050), rgb(0x00FF_E2A0), rgb(0x00C8_E0FF)], hash(wx.floor() as i32, cell));
        let wall = facade + warm * (pane * smooth(0.46, 0.56, lit) * (0.45 + 0.55 * near));
        picture = picture.under(wall, cover(tower));
        let mast = (p.y - height - 0.14).max((inside - 0.5).abs() / spacing - 0.004);
        if own > 0.8 {
            picture = picture.under(rgb(0x0020_2034), cover(mast))
                + rgb(0x00FF_3020)
                    * soft_cover(
                        disc(at((inside - 0.5) / spacing, p.y), at(0.0, height + 0.14), 0.008),
                        0.02,
                    );
        }
    }
    picture
}

/// A red car on a country road, seen from the side.
pub fn red_car(p: Point) -> Color {
    let sky = daylight(at(p.x * 0.7 + 8.0, p.y * 0.7 + 0.1));
    let wood = -0.02 + 0.16 * cloud(at(p.x * 2.6, 3.0), 5);
    let trees = ramp(&[rgb(0x0018_3014), rgb(0x005C_8238), rgb(0x0092_AE58)], cloud(p * 7.0, 5));
    let verge = ramp(&[rgb(0x003E_6420), rgb(0x008A_AA48)], cloud(p.scaled(14.0, 26.0), 4));
    let asphalt = grey(
        0.36 + 0.10 * (noise(p.scaled(70.0, 110.0)) - 0.5) + 0.06 * cloud(p.scaled(1.5, 6.0), 4)
            - 0.06 * (p.y + 0.6),
    );
    let mark = smooth(0.020, 0.010, (p.y + 0.86).abs())
        * smooth(0.30, 0.28, ((p.x * 1.2).rem_euclid(1.0) - 0.5).abs());
    let road = asphalt.under(rgb(0x00EC_E8DC), 0.85 * mark);
    let mut picture = sky
        .under(trees, soft_cover(p.y - wood, 0.03))
        .under(verge, soft_cover(p.y + 0.18, 0.03))
        .under(road, soft_cover(p.y + 0.34, 0.012));
    picture = picture * (1.0 - 0.72 * soft_cover(ellipse(p, at(0.0, -0.645), at(1.02, 0.055)), 0.05));
    let q = p - at(0.0, -0.02);
    picture = picture.under(bodywork(q), cover(body(q)));
    picture = glasshouse(picture, q);
    for x in [-0.60, 0.60] {
        picture = wheel(picture, q - at(x, -0.44));
    }
    picture
        .under(rgb(0x00FF_F6D8), cover(ellipse(q, at(0.945, -0.235), at(0.055, 0.04))))
        .under(rgb(0x009A_1010), cover(slab(q, at(-0.985, -0.20), at(0.025, 0.05), 0.015)))
        .under(rgb(0x0022_2428), cover(slab(q, at(0.0, -0.475), at(0.44, 0.022), 0.015)))
}

/// The outline of the car without its glass.
fn body(q: Point) -> f32 {
    let lower = slab(q, at(0.0, -0.30), at(1.02, 0.19), 0.10);
    let bonnet = polygon(
        q,
        &[
            at(-1.0, -0.30),
            at(1.01, -0.30),
            at(0.96, -0.16),
            at(0.42, -0.08),
            at(-0.92, -0.08),
            at(-1.0, -0.16),
        ],
    );
    let cabin = polygon(
        q,
        &[
            at(-0.80, -0.10),
            at(0.50, -0.10),
            at(0.12, 0.235),
            at(-0.08, 0.265),
            at(-0.42, 0.25),
            at(-0.60, 0.18),
        ],
    );
    let arches = disc(q, at(-0.60, -0.44), 0.215).min(disc(q, at(0.60, -0.44), 0.215));
    lower.min(bonnet).min(cabin).max(-arches)
}

fn bodywork(q: Point) -> Color {
    let flank = smooth(-0.08, -0.20, q.y) * smooth(-0.48, -0.30, q.y);
    let red = ramp(
        &[rgb(0x0052_0406), rgb(0x00B4_0C10), rgb(0x00E0_2A24), rgb(0x00FF_7A66)],
        0.50 + 0.9 * (q.y + 0.16) + 0.12 * flank,
    );
    let sky_line = smooth(0.018, 0.0, (q.y + 0.105).abs());
    let crease = smooth(0.008, 0.002, (q.y + 0.235).abs());
    let doors = smooth(0.006, 0.002, (q.x + 0.32).abs()).max(smooth(0.006, 0.002, (q.x - 0.22).abs()))
        * smooth(-0.44, -0.40, q.y)
        * smooth(-0.08, -0.10, q.y);
    let handles = cover(slab(q, at(-0.25, -0.165), at(0.045, 0.010), 0.01)).max(cover(slab(
        q,
        at(0.11, -0.165),
        at(0.045, 0.010),
        0.01,
    )));
    let shade = 1.0 - 0.55 * smooth(-0.36, -0.50, q.y);
    (red.under(rgb(0x00FF_D0C8), 0.55 * sky_line).under(rgb(0x0060_0608), 0.6 * crease + 0.8 * doors) * shade)
        .under(rgb(0x00D8_D8DC), handles)
}

fn glasshouse(picture: Color, q: Point) -> Color {
    let rear = polygon(
        q,
        &[at(-0.68, -0.08), at(-0.33, -0.08), at(-0.33, 0.205), at(-0.42, 0.205), at(-0.56, 0.14)],
    );
    let front =
        polygon(q, &[at(-0.28, -0.08), at(0.40, -0.08), at(0.10, 0.195), at(-0.08, 0.22), at(-0.28, 0.215)]);
    let glass = ramp(
        &[rgb(0x0012_1A22), rgb(0x0044_5A6A), rgb(0x00B4_CCDC)],
        0.25 + 2.2 * (q.y - 0.02) + 0.35 * smooth(0.10, 0.0, (q.x - 0.6 * q.y - 0.05).abs()),
    );
    let seat = ellipse(q, at(-0.04, -0.02), at(0.09, 0.14)).min(ellipse(q, at(-0.48, -0.03), at(0.08, 0.12)));
    picture.under(glass.under(rgb(0x000C_0E12), 0.7 * cover(seat)), cover(rear.min(front)))
}

fn wheel(picture: Color, q: Point) -> Color {
    let r = q.length();
    let spoke = ((q.angle() / std::f32::consts::TAU * 5.0).rem_euclid(1.0) - 0.5).abs();
    let alloy = ramp(&[rgb(0x0050_545A), rgb(0x00B8_BEC6), rgb(0x00F4_F6F8)], 0.55 + 2.0 * q.y - 1.0 * q.x);
    let rim = alloy.under(
        rgb(0x0018_1A1C),
        smooth(0.20, 0.26, spoke) * smooth(0.035, 0.05, r) * smooth(0.115, 0.105, r),
    );
    picture
        .under(rgb(0x000A_0A0C), cover(disc(q, at(0.0, 0.0), 0.213)))
        .under(rgb(0x0020_2022) + grey(0.12 * smooth(0.02, 0.0, (r - 0.165).abs())), cover(r - 0.19))
        .under(rim, cover(r - 0.125))
        .under(rgb(0x0030_3234), cover(r - 0.025))
}
