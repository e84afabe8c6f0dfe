//! Draws a scripted flight in every view: `cargo run --release -p eyas-view --example gallery -- FOLDER`.

use std::fs::File;
use std::path::Path;

use eyas_view::{Film, Frame, Scene, View};

#[path = "../tests/it/script.rs"]
mod script;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "gallery".into());
    std::fs::create_dir_all(&folder)?;
    let views = [("chase", View::Chase), ("fixed", View::Fixed), ("orbit", View::Orbit), ("top", View::Top)];
    for (name, view) in views {
        let film = script::film((1280, 720), view);
        write(&Path::new(&folder).join(format!("{name}.png")), &film.frame(160))?;
    }
    let grid = Film::new((1280, 720), 3, script::scenes(9, View::Fixed));
    write(&Path::new(&folder).join("grid.png"), &grid.frame(140))?;
    let memory = script::film_with_memory((1280, 720), 16);
    write(&Path::new(&folder).join("memory.png"), &memory.frame(60))?;
    let pair: Vec<Scene> = script::scenes(2, View::Chase);
    write(&Path::new(&folder).join("pair.png"), &Film::new((1280, 720), 2, pair).frame(140))?;
    std::fs::write(Path::new(&folder).join("chase.mp4"), script::film((1280, 720), View::Chase).encode()?)?;
    Ok(())
}

fn write(path: &Path, frame: &Frame) -> Result<(), Box<dyn std::error::Error>> {
    let mut encoder = png::Encoder::new(File::create(path)?, frame.width as u32, frame.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&frame.rgb())?;
    Ok(())
}
