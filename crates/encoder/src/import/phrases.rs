//! What means are taken over when nothing else is given: everyday phrases, and pictures that are drawn here.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::{Picture, PictureError};

/// Captions and queries as people write them, over many subjects.
pub(super) const PHRASES: [&str; 64] = [
    "a photo of a cat",
    "a brown dog running on the grass",
    "two children playing at the beach",
    "a bowl of fruit on a table",
    "a red car parked in the street",
    "a mountain with snow at sunrise",
    "an old man reading a newspaper",
    "a woman riding a bicycle",
    "a plate of pasta with tomatoes",
    "a busy market in the city",
    "a small boat on a lake",
    "a birthday cake with candles",
    "a black and white portrait",
    "a bridge over a river at night",
    "a train arriving at the station",
    "a field of yellow flowers",
    "a football match in the rain",
    "a laptop and a cup of coffee on a desk",
    "a bird sitting on a branch",
    "people dancing at a wedding",
    "a horse behind a wooden fence",
    "a glass building against the sky",
    "a close-up of a butterfly",
    "a kitchen with white cupboards",
    "a surfer on a large wave",
    "a forest path in autumn",
    "a baby sleeping in a cradle",
    "a traffic light",
    "a handwritten letter",
    "a diagram of a machine",
    "a screenshot of a web page",
    "a map of the town",
    "a guitar leaning against a wall",
    "a group of friends at dinner",
    "a waterfall in the jungle",
    "a lighthouse on a cliff",
    "a sleeping fox",
    "a skier going down a slope",
    "a pile of books",
    "a street sign in the fog",
    "sunset over the sea",
    "my dog",
    "grandmother's garden",
    "holiday in Italy",
    "receipt from the hardware shop",
    "meeting notes from Monday",
    "a recipe for apple pie",
    "the view from our hotel room",
    "fireworks",
    "an empty parking lot",
    "a painting in a museum",
    "a crowd at a concert",
    "a tractor ploughing a field",
    "a pair of running shoes",
    "a snowman with a hat",
    "a fish on ice",
    "hands holding a phone",
    "a staircase seen from above",
    "clouds before a storm",
    "a dentist at work",
    "an airplane taking off",
    "a sheep with her lamb",
    "tools on a workbench",
    "a quiet room with a window",
];

/// Number of drawn pictures.
const PICTURES: u32 = 64;
/// Their sides.
const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// Draws pictures of soft light with shapes on it. Photographs would stand for a user's pictures better, which is
/// why a folder of them may be given; these are here so that a mean can be taken anywhere, and always the same.
pub(super) fn pictures() -> Result<Vec<Picture>, PictureError> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..PICTURES).map(|_| picture(&mut rng)).collect()
}

fn picture(rng: &mut ChaCha8Rng) -> Result<Picture, PictureError> {
    let mut colour = || [(); 3].map(|()| (rng.next_u32() % 256) as f32);
    let (top, bottom) = (colour(), colour());
    let shapes: Vec<[f32; 3]> = (0..4).map(|_| colour()).collect();
    let mut place = |most: u32| (rng.next_u32() % most) as f32;
    let places: Vec<[f32; 3]> =
        shapes.iter().map(|_| [place(WIDTH), place(HEIGHT), 10.0 + place(90)]).collect();
    let mut rgb = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        let light = y as f32 / HEIGHT as f32;
        for x in 0..WIDTH {
            let mut pixel: [f32; 3] = std::array::from_fn(|channel| {
                let pick = |colour: [f32; 3]| colour.get(channel).copied().unwrap_or_default();
                pick(top) * (1.0 - light) + pick(bottom) * light
            });
            for (at, (&[cx, cy, radius], &colour)) in places.iter().zip(&shapes).enumerate() {
                let (dx, dy) = ((x as f32 - cx).abs(), (y as f32 - cy).abs());
                // Discs and squares in turn
                let distance = if at % 2 == 0 { dx.hypot(dy) } else { dx.max(dy) };
                if distance < radius {
                    pixel = colour;
                }
            }
            let grain = (rng.next_u32() % 16) as f32 - 8.0;
            rgb.extend(pixel.map(|value| (value + grain).clamp(0.0, 255.0) as u8));
        }
    }
    Picture::from_rgb(WIDTH, HEIGHT, rgb)
}
