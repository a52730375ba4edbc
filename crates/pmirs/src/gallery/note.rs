//! The gallery's notes: short texts of the kind that lie among people's pictures.

/// File name and content.
pub const NOTES: [(&str, &str); 8] = [
    (
        "bread-recipe.txt",
        "Grandmother's bread. 500 g flour, 350 g water, 10 g salt, a little yeast. Let the dough rise overnight, then \
         bake it for 45 minutes in a hot oven until the crust is dark.\n",
    ),
    (
        "bicycle-repair.txt",
        "The bicycle chain keeps slipping. Replace the chain and the rear sprocket, check the brakes, pump up both \
         tyres.\n",
    ),
    (
        "doctor.txt",
        "Doctor's appointment on Tuesday at nine. Bring the vaccination card and ask about the pain in the knee.\n",
    ),
    (
        "piano-lesson.md",
        "# Piano lesson\n\nPractise the left hand of the sonata slowly. Scales in G major. The concert is in June.\n",
    ),
    (
        "tax-letter.txt",
        "Dear Sir or Madam, enclosed you find the income tax return and the invoices for last year. The amount was \
         paid by bank transfer.\n",
    ),
    (
        "train-to-the-coast.txt",
        "Train tickets for the summer holiday: departure at 8:14 from the central station, arrival at the seaside at \
         noon. Seats 41 and 42.\n",
    ),
    (
        "birthday-party.md",
        "# Birthday party\n\nTwelve children, balloons, a chocolate cake with candles, games in the garden.\n",
    ),
    (
        "football-training.txt",
        "Football training every Thursday at six. The children need boots, shin pads and a bottle of water. The match \
         is on Saturday.\n",
    ),
];
