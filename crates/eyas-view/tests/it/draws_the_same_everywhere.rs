//! Frames have the same pixels on every machine: those of the pictures in `tests/data`.
//!
//! A change of the looks is accepted by running the tests with `EYAS_ACCEPT=1` and looking at the pictures.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use eyas_lanes::{Isa, force_isa};
use eyas_view::{Film, Frame, View};

use crate::script;

/// A film of a policy that remembers so many numbers.
fn film_with_memory(size: (usize, usize), width: u32) -> Film {
    let mut scenes = script::scenes(1, View::Top);
    scenes[0].flight = script::remembering(0.06, 200, width);
    Film::new(size, 1, scenes)
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{name}.png"))
}

fn read(path: &Path) -> Vec<u8> {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let size = reader.next_frame(&mut pixels).unwrap().buffer_size();
    pixels.truncate(size);
    pixels
}

#[track_caller]
fn assert_drawn(name: &str, film: &Film, index: usize) {
    assert_stored(name, &film.frame(index));
}

/// The picture of this name in `tests/data` has the frame's pixels.
#[track_caller]
pub(crate) fn assert_stored(name: &str, frame: &Frame) {
    if std::env::var_os("EYAS_ACCEPT").is_some() {
        std::fs::write(picture(name), frame.png()).unwrap();
    }
    let (found, expected) = (frame.rgb(), read(&picture(name)));
    assert_eq!(found.len(), expected.len());
    let differ = found.iter().zip(&expected).filter(|(found, expected)| found != expected).count();
    assert_eq!(differ, 0, "{name}: {differ} of {} numbers differ", found.len());
}

#[test]
fn every_view_is_as_stored() {
    for (name, view) in
        [("chase", View::Chase), ("fixed", View::Fixed), ("orbit", View::Orbit), ("top", View::Top)]
    {
        assert_drawn(name, &script::film((320, 180), view), 60);
    }
}

#[test]
fn a_large_picture_is_as_stored() {
    assert_drawn("large", &script::film((960, 540), View::Top), 120);
}

#[test]
fn a_grid_is_as_stored() {
    assert_drawn("grid", &Film::new((480, 270), 2, script::scenes(4, View::Fixed)), 30);
}

#[test]
fn a_memory_is_as_stored() {
    for (name, size, width) in
        [("memory", (960, 540), 16), ("memory_wide", (640, 360), 100), ("memory_small", (200, 200), 16)]
    {
        assert_drawn(name, &film_with_memory(size, width), 60);
    }
}

/// Instruction sets are forced for the whole process: other tests then run on them too, with the same results.
#[test]
fn instruction_sets_draw_the_same_pixels() {
    let film = script::film((320, 180), View::Chase);
    let frames: Vec<Frame> = Isa::available()
        .into_iter()
        .map(|isa| {
            force_isa(isa);
            film.frame(90)
        })
        .collect();
    for frame in &frames {
        assert!(*frame == frames[0]);
    }
}

#[test]
fn a_frame_does_not_depend_on_those_drawn_before_it() {
    let film = Film::new((320, 180), 2, script::scenes(2, View::Fixed));
    let mut painter = film.painter();
    let mut frame = Frame::new(320, 180);
    for index in [0, 7, 3, 60] {
        painter(index, &mut frame);
        assert!(frame == film.frame(index), "frame {index}");
    }
}
