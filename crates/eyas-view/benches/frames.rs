//! Frames a second on one core, at 1280 × 720: drawn, and drawn and encoded.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_view::{Film, Frame, View};

#[path = "../tests/it/script.rs"]
mod script;

const SIZE: (usize, usize) = (1280, 720);
const FRAMES: usize = 50;

fn main() {
    divan::main();
}

fn draw(bencher: Bencher, film: &Film) {
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let mut painter = film.painter();
        let mut frame = Frame::new(SIZE.0, SIZE.1);
        for index in 0..FRAMES {
            painter(index, &mut frame);
        }
        frame
    });
}

#[divan::bench(args = ["chase", "orbit", "fixed", "top"], sample_count = 10)]
fn drawn(bencher: Bencher, name: &str) {
    let view = match name {
        "chase" => View::Chase,
        "orbit" => View::Orbit,
        "fixed" => View::Fixed,
        _ => View::Top,
    };
    draw(bencher, &script::film(SIZE, view));
}

#[divan::bench(args = [2, 4, 16], sample_count = 10)]
fn drawn_side_by_side(bencher: Bencher, count: usize) {
    let columns = if count == 2 { 2 } else { count.isqrt() };
    draw(bencher, &Film::new(SIZE, columns, script::scenes(count, View::Fixed)));
}

/// On as many threads as `RAYON_NUM_THREADS` says.
#[divan::bench(sample_count = 3)]
fn drawn_and_encoded(bencher: Bencher) {
    let film = script::film(SIZE, View::Chase);
    bencher
        .counter(ItemsCount::new(film.num_frames()))
        .bench_local(|| film.encode(&mut |_| true).expect("the size is even"));
}
