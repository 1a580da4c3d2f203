//! The picture as PNG, for chats and mails that show no SVG. Letters are bitmaps, so no font file
//! is needed.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke,
    StrokeDash, Transform,
};

use super::scene::{Anchor, Role, Scene, Shape, Size, Theme};

const LETTERS: RasterHeight = RasterHeight::Size16;
/// From the top of a letter's raster to its base line.
const ASCENT: f32 = 12.0;

/// The picture as a PNG file; `None` if its size is 0.
pub fn png(scene: &Scene, theme: Theme) -> Option<Vec<u8>> {
    let Size { width, height } = scene.size;
    let dark = theme == Theme::Dark;
    let mut pixels = Pixmap::new(width, height)?;
    pixels.fill(colour(Role::Paper, dark));
    for shape in &scene.shapes {
        match shape {
            Shape::Area(role, points) => {
                if let Some(path) = path(points, true) {
                    pixels.fill_path(&path, &paint(*role, dark), FillRule::Winding, Transform::identity(), None);
                }
            }
            Shape::Line { role, width, dashed, points } => {
                let dash = if *dashed { StrokeDash::new(vec![4.0, 3.0], 0.0) } else { None };
                let (line_cap, line_join) = (LineCap::Butt, LineJoin::Round);
                let stroke = Stroke { width: *width, line_cap, line_join, dash, ..Stroke::default() };
                if let Some(path) = path(points, false) {
                    pixels.stroke_path(&path, &paint(*role, dark), &stroke, Transform::identity(), None);
                } else if let Some(&(x, y)) = points.first() {
                    // A single sample between two gaps.
                    dot(&mut pixels, *role, dark, x, y, 0.5 * width);
                }
            }
            Shape::Dot(role, x, y, radius) => dot(&mut pixels, *role, dark, *x, *y, *radius),
            Shape::Text(role, anchor, x, y, text) => write(&mut pixels, role.colour(dark), *anchor, (*x, *y), text),
        }
    }
    pixels.encode_png().ok()
}

fn dot(pixels: &mut Pixmap, role: Role, dark: bool, x: f32, y: f32, radius: f32) {
    if let Some(rect) = Rect::from_xywh(x - radius, y - radius, 2.0 * radius, 2.0 * radius)
        && let Some(circle) = PathBuilder::from_oval(rect)
    {
        pixels.fill_path(&circle, &paint(role, dark), FillRule::Winding, Transform::identity(), None);
    }
}

fn colour(role: Role, dark: bool) -> Color {
    let [r, g, b] = role.colour(dark);
    Color::from_rgba8(r, g, b, 255)
}

fn paint(role: Role, dark: bool) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour(role, dark));
    paint.anti_alias = true;
    paint
}

fn path(points: &[(f32, f32)], closed: bool) -> Option<Path> {
    let (first, rest) = points.split_first()?;
    let mut builder = PathBuilder::new();
    builder.move_to(first.0, first.1);
    rest.iter().for_each(|point| builder.line_to(point.0, point.1));
    if closed {
        builder.close();
    }
    builder.finish()
}

fn write(pixels: &mut Pixmap, colour: [u8; 3], anchor: Anchor, at: (f32, f32), text: &str) {
    // The font has a hyphen in place of the dash of ranges.
    let text = &text.replace('–', "-");
    let pitch = get_raster_width(FontWeight::Regular, LETTERS);
    let length = (text.chars().count() * pitch) as f32;
    let left = match anchor {
        Anchor::Start => at.0,
        Anchor::Middle => at.0 - 0.5 * length,
        Anchor::End => at.0 - length,
    };
    let (mut left, top) = (left.round() as i64, (at.1 - ASCENT).round() as i64);
    let (width, height) = (i64::from(pixels.width()), i64::from(pixels.height()));
    for letter in text.chars() {
        if letter == '…' {
            dots(pixels, colour, left, top + ASCENT as i64);
        }
        let raster = get_raster(letter, FontWeight::Regular, LETTERS)
            .or_else(|| get_raster(fallback(letter), FontWeight::Regular, LETTERS));
        let rows = raster.iter().flat_map(|raster| raster.raster().iter().enumerate());
        for (down, row) in rows {
            for (across, ink) in row.iter().enumerate().filter(|(_, ink)| **ink > 0) {
                let (x, y) = (left + across as i64, top + down as i64);
                if (0..width).contains(&x) && (0..height).contains(&y) {
                    blend(&mut pixels.pixels_mut()[(y * width + x) as usize], colour, *ink);
                }
            }
        }
        left += pitch as i64;
    }
}

/// A letter that the font has in place of one that it lacks.
fn fallback(letter: char) -> char {
    if letter == '…' { ' ' } else { '?' }
}

/// An ellipsis on the base line, as wide as a letter.
fn dots(pixels: &mut Pixmap, colour: [u8; 3], left: i64, base: i64) {
    let (width, height) = (i64::from(pixels.width()), i64::from(pixels.height()));
    for (x, y) in [1, 3, 5].into_iter().flat_map(|x| [(left + x, base - 1), (left + x, base - 2)]) {
        if (0..width).contains(&x) && (0..height).contains(&y) {
            blend(&mut pixels.pixels_mut()[(y * width + x) as usize], colour, 255);
        }
    }
}

/// The background is opaque, so no other transparency has to be considered.
fn blend(pixel: &mut PremultipliedColorU8, colour: [u8; 3], ink: u8) {
    let mix = |under: u8, over: u8| {
        let ink = u32::from(ink);
        ((u32::from(under) * (255 - ink) + u32::from(over) * ink) / 255) as u8
    };
    let mixed = [mix(pixel.red(), colour[0]), mix(pixel.green(), colour[1]), mix(pixel.blue(), colour[2])];
    if let Some(mixed) = PremultipliedColorU8::from_rgba(mixed[0], mixed[1], mixed[2], 255) {
        *pixel = mixed;
    }
}
