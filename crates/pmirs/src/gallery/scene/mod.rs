//! What is in the gallery.

mod creature;
mod food;
mod land;
mod sky;
mod thing;
mod town;
mod water;

use super::{Drawing, drawing};

/// Every picture.
pub fn all() -> [Drawing; 24] {
    [
        drawing("airplane.jpg", sky::airplane),
        drawing("autumn-tree.jpg", land::autumn_tree),
        drawing("beach.jpg", water::beach),
        drawing("butterfly.jpg", creature::butterfly),
        drawing("candle.png", thing::candle),
        drawing("city-at-night.jpg", town::city_at_night),
        drawing("coffee.jpg", food::coffee),
        drawing("desert.jpg", land::desert),
        drawing("dog.jpg", creature::dog),
        drawing("football.jpg", thing::football),
        drawing("forest.jpg", land::forest),
        drawing("full-moon.png", sky::full_moon),
        drawing("goldfish.jpg", creature::goldfish),
        drawing("hot-air-balloon.jpg", sky::hot_air_balloon),
        drawing("meadow.jpg", land::meadow),
        drawing("oranges.jpg", food::oranges),
        drawing("pizza.jpg", food::pizza),
        drawing("red-apple.jpg", food::red_apple),
        drawing("red-car.jpg", town::red_car),
        drawing("sailing-boat.jpg", water::sailing_boat),
        drawing("snowy-mountain.jpg", land::snowy_mountain),
        drawing("sunflower.jpg", land::sunflower),
        drawing("sunset.jpg", water::sunset),
        drawing("waterfall.jpg", water::waterfall),
    ]
}
