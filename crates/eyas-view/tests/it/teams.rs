//! Every vehicle of an env is in its picture.

use eyas_env::{EnvBlock as _, FormationConfig, PlacesConfig, Shape, TaskConfig as _};
use eyas_lanes::Row;
use eyas_view::{Airframe, Caption, Film, Flight, Frame, Scene, View};

/// Three vehicles abreast that sink together, from above.
fn picture(view: View) -> (Frame, Flight) {
    let config = FormationConfig {
        formation: PlacesConfig { shape: Shape::Line, ..PlacesConfig::default() },
        prob_perfect_start: 1.0,
        prob_null_trajectory: 1.0,
        ..FormationConfig::default()
    };
    let mut env = config.make(1, 0);
    let block = env.blocks()[0].as_mut();
    block.reset(u32::MAX);
    let mut flight = Flight::new(config.control_period());
    let action: Vec<Row> = (0..12).map(|motor| Row::splat([-0.4, -0.3, -0.35][motor / 4])).collect();
    for step in 1..=20 {
        block.step(&action);
        flight.push_env(block, 0, &action, &[], (0, step, false));
    }
    let airframe = Airframe::new(&config.robot);
    let caption = Caption::default();
    let film = Film::new((640, 360), 1, vec![Scene { flight: flight.clone(), airframe, caption, view }]);
    (film.frame(film.num_frames() - 1), flight)
}

/// Pixels of a warm colour, which front propellers and the flown way have and nothing else does, in each third of the middle
/// of a picture: there are no cards.
fn warm(frame: &Frame) -> [usize; 3] {
    let mut counts = [0; 3];
    for (index, pixel) in frame.rgb().chunks(3).enumerate() {
        let (x, y) = (index % frame.width, index / frame.width);
        let is_warm = pixel[0] > pixel[2].saturating_add(40);
        let is_middle = (frame.height / 3..2 * frame.height / 3).contains(&y);
        counts[3 * x / frame.width] += usize::from(is_warm && is_middle);
    }
    counts
}

#[test]
fn each_vehicle_of_a_team_is_drawn_where_it_flies() {
    let (frame, flight) = picture(View::Top);
    let found = warm(&frame);
    assert!(found.iter().all(|count| *count > 20), "{found:?} warm pixels from left to right");
    // As many of each: they look alike.
    assert!(found.iter().max().unwrap() < &(2 * found.iter().min().unwrap()), "{found:?}");
    // A part of the flight keeps them all.
    let part = flight.part(5..12);
    assert_eq!(part.moments().len(), 7);
    assert_ne!(part, Flight::new(flight.period_s));

    let (chased, _) = picture(View::Chase);
    let total: usize = warm(&chased).iter().sum();
    assert!(total > 60, "{total} warm pixels of three vehicles");
}
