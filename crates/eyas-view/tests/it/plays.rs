//! Films become files that players show, and what cannot be shown is an error.

use std::process::Command;

use eyas_view::{Film, Flight, VideoError, View};

use crate::script;

/// The content of the box at the end of a path of names.
fn content<'a>(mut bytes: &'a [u8], path: &[&[u8; 4]]) -> &'a [u8] {
    for (depth, name) in path.iter().enumerate() {
        // Sample descriptions hold boxes after a header.
        let skip = match path.get(depth.wrapping_sub(1)).copied() {
            Some(b"stsd") => 8,
            Some(b"avc1") => 78,
            _ => 0,
        };
        bytes = &bytes[skip..];
        loop {
            let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            if &bytes[4..8] == name.as_slice() {
                bytes = &bytes[8..size];
                break;
            }
            bytes = &bytes[size..];
        }
    }
    bytes
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn the_file_says_size_duration_and_codec() {
    let file = script::film((320, 180), View::Fixed).encode(&mut |_| true).unwrap();
    assert_eq!(&content(&file, &[b"ftyp"])[..4], b"isom");
    let movie = content(&file, &[b"moov", b"mvhd"]);
    // 500 control steps of 10 ms.
    assert_eq!((word(movie, 12), word(movie, 16)), (1_000_000, 5_000_000));
    let track = content(&file, &[b"moov", b"trak", b"tkhd"]);
    assert_eq!([word(track, 76) >> 16, word(track, 80) >> 16], [320, 180]);
    let tables = content(&file, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"]);
    let codec = content(tables, &[b"stsd", b"avc1", b"avcC"]);
    // Version 1, profile 66 (baseline).
    assert_eq!(codec[..2], [1, 66]);
    let sizes = content(tables, &[b"stsz"]);
    assert_eq!(word(sizes, 8), 250);
    let first = word(content(tables, &[b"stco"]), 8) as usize;
    let data: usize = sizes[12..].chunks(4).map(|size| word(size, 0) as usize).sum();
    assert_eq!(first + data, file.len());
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let film = script::film((160, 90), View::Chase);
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| film.encode(&mut |_| true).unwrap())
    };
    assert!(bytes(1) == bytes(3));
}

#[test]
fn what_no_player_shows_is_an_error() {
    let odd = script::film((321, 180), View::Fixed).encode(&mut |_| true);
    assert_eq!(odd, Err(VideoError::Size { width: 321, height: 180 }));
    let mut scenes = script::scenes(1, View::Fixed);
    scenes[0].flight = Flight::new(0.01);
    assert_eq!(Film::new((320, 180), 1, scenes).encode(&mut |_| true), Err(VideoError::Empty));
}

#[test]
fn ffmpeg_decodes_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    std::fs::write(&path, script::film((320, 180), View::Orbit).encode(&mut |_| true).unwrap()).unwrap();
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_frames", "-select_streams", "v", "-show_entries"]);
    let entries = "stream=codec_name,width,height,color_space,nb_read_frames";
    let Ok(output) = command.arg(entries).args(["-of", "csv=p=0"]).arg(&path).output() else {
        eyas_testing::skip("ffprobe");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "h264,320,180,bt709,250");
}

#[test]
fn an_animated_png_shows_every_other_frame() {
    let film = Film::new((240, 120), 2, script::scenes(2, View::Fixed));
    let bytes = film.encode_png(&mut |_| true).unwrap();
    assert!(bytes == film.encode_png(&mut |_| true).unwrap());
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let animation = reader.info().animation_control.unwrap();
    assert_eq!((animation.num_frames as usize, animation.num_plays), (film.num_frames().div_ceil(2), 0));
    let palette = reader.info().palette.clone().unwrap();
    let delay = reader.info().frame_control.unwrap();
    assert_eq!((delay.delay_num, delay.delay_den), (40, 1000));
    // The first two frames, put together as a viewer does, look as they were drawn: 6 of 8 bits of each channel, and
    // as near as 255 colours come.
    let mut shown = vec![0_u8; 240 * 120];
    for index in [0, 2] {
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        for (old, new) in shown.iter_mut().zip(pixels).filter(|(_, new)| *new != 255) {
            *old = new;
        }
        let seen = shown.iter().flat_map(|it| &palette[3 * usize::from(*it)..][..3]);
        let drawn = film.frame(index).rgb();
        let error: u64 = seen.zip(&drawn).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(error < 4 * drawn.len() as u64, "frame {index}: {error}");
    }
    assert_eq!(Film::new((240, 120), 1, Vec::new()).encode_png(&mut |_| true), Err(VideoError::Empty));
}

#[test]
fn a_film_that_is_ended_early_is_a_whole_file_of_what_was_done() {
    let film = script::film((320, 180), View::Fixed);
    let mut told = Vec::new();
    let file = film
        .encode(&mut |done| {
            told.push(done);
            false
        })
        .unwrap();
    assert!(told.len() == 1 && told[0] <= film.num_frames(), "{told:?}");
    let whole = film.encode(&mut |_| true).unwrap();
    // Box and index are of as many frames as there are.
    assert!(file.len() <= whole.len() && file[4..8] == *b"ftyp" && whole[4..8] == *b"ftyp");
    let picture = film.encode_png(&mut |_| false).unwrap();
    assert!(picture.ends_with(b"IEND\xaeB`\x82"), "the file is cut");
}
