//! The picture as SVG: small, sharp at any size, and light or dark as the reader's system.

use std::fmt::Write;

use super::scene::{Anchor, Role, Scene, Shape, Size, Theme};

/// The picture as an SVG document.
pub fn svg(scene: &Scene, theme: Theme) -> String {
    let mut text = String::with_capacity(16_384);
    // Writing to a string does not fail.
    let _infallible = write(&mut text, scene, theme).is_err();
    text
}

fn write(out: &mut String, scene: &Scene, theme: Theme) -> std::fmt::Result {
    let Size { width, height } = scene.size;
    let title = escaped(&scene.title);
    write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}"><title>{title}</title><style>text{{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}}polyline{{fill:none;stroke-linejoin:round}}"#
    )?;
    colours(out, theme == Theme::Dark)?;
    if theme == Theme::Auto {
        out.push_str("@media (prefers-color-scheme:dark){");
        colours(out, true)?;
        out.push('}');
    }
    write!(out, r#"</style><rect class="f-paper" width="{width}" height="{height}"/>"#)?;
    for shape in &scene.shapes {
        match shape {
            Shape::Area(role, points) => {
                write!(out, r#"<polygon class="f-{}" points=""#, role.name())?;
                write_points(out, points)?;
                out.push_str("\"/>");
            }
            Shape::Line { role, width, dashed, points } => {
                let dashes = if *dashed { r#" stroke-dasharray="4 3""# } else { "" };
                write!(out, r#"<polyline class="s-{}" stroke-width="{width}"{dashes} points=""#, role.name())?;
                write_points(out, points)?;
                out.push_str("\"/>");
            }
            Shape::Dot(role, x, y, radius) => {
                write!(out, r#"<circle class="f-{}" cx="{x:.1}" cy="{y:.1}" r="{radius}"/>"#, role.name())?;
            }
            Shape::Text(role, anchor, x, y, text) => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let (role, text) = (role.name(), escaped(text));
                write!(out, r#"<text class="f-{role}" text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{text}</text>"#)?;
            }
        }
    }
    out.push_str("</svg>\n");
    Ok(())
}

fn colours(out: &mut String, dark: bool) -> std::fmt::Result {
    for role in Role::ALL {
        let (name, [r, g, b]) = (role.name(), role.colour(dark));
        write!(out, ".f-{name}{{fill:#{r:02x}{g:02x}{b:02x}}}.s-{name}{{stroke:#{r:02x}{g:02x}{b:02x}}}")?;
    }
    Ok(())
}

fn write_points(out: &mut String, points: &[(f32, f32)]) -> std::fmt::Result {
    for (place, (x, y)) in points.iter().enumerate() {
        let gap = if place == 0 { "" } else { " " };
        write!(out, "{gap}{x:.1},{y:.1}")?;
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
