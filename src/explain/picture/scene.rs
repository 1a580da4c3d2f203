//! A picture as plain shapes with colours by role.

/// The size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// The colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
    /// As the reader's system prefers. Only SVG can do that.
    Auto,
}

/// The meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Paper,
    Ink,
    Faint,
    Grid,
    Band,
    Expected,
    Value,
    Alarm,
    AlarmArea,
}

impl Role {
    pub(super) const ALL: [Role; 9] = [
        Role::Paper,
        Role::Ink,
        Role::Faint,
        Role::Grid,
        Role::Band,
        Role::Expected,
        Role::Value,
        Role::Alarm,
        Role::AlarmArea,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Paper => "paper",
            Role::Ink => "ink",
            Role::Faint => "faint",
            Role::Grid => "grid",
            Role::Band => "band",
            Role::Expected => "expected",
            Role::Value => "value",
            Role::Alarm => "alarm",
            Role::AlarmArea => "area",
        }
    }

    /// Red, green, blue.
    pub(super) fn colour(self, dark: bool) -> [u8; 3] {
        match (self, dark) {
            (Role::Paper, false) => [255, 255, 255],
            (Role::Paper, true) => [18, 22, 28],
            (Role::Ink, false) => [24, 30, 38],
            (Role::Ink, true) => [232, 236, 241],
            (Role::Faint, false) => [96, 106, 118],
            (Role::Faint, true) => [150, 160, 172],
            (Role::Grid, false) => [232, 235, 239],
            (Role::Grid, true) => [38, 44, 53],
            (Role::Band, false) => [214, 228, 243],
            (Role::Band, true) => [33, 53, 76],
            (Role::Expected, false) => [110, 148, 188],
            (Role::Expected, true) => [104, 146, 190],
            (Role::Value, false) => [24, 78, 140],
            (Role::Value, true) => [140, 190, 245],
            (Role::Alarm, false) => [204, 36, 48],
            (Role::Alarm, true) => [255, 104, 104],
            (Role::AlarmArea, false) => [253, 234, 233],
            (Role::AlarmArea, true) => [62, 28, 32],
        }
    }
}

/// The point of a text that its position gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A shape in its colour. Positions are in pixels from the top left corner.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Area(Role, Vec<(f32, f32)>),
    Line {
        role: Role,
        width: f32,
        dashed: bool,
        points: Vec<(f32, f32)>,
    },
    Dot(Role, f32, f32, f32),
    /// On a base line.
    Text(Role, Anchor, f32, f32, String),
}

/// A picture as shapes, from the back to the front.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub(super) size: Size,
    pub(super) title: String,
    pub(super) shapes: Vec<Shape>,
}
