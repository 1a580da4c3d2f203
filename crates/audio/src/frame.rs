//! The format of rendered sound.

/// Samples per second and channel of everything that is rendered.
pub const SAMPLE_RATE: u32 = 48_000;
/// Milliseconds of sound in one frame, which is also one Opus packet.
pub const FRAME_MS: u32 = 20;
/// Samples per channel in one frame.
pub const FRAME_SAMPLES: usize = 960;
/// One frame: interleaved left and right, full scale ±1.
pub type Frame = [f32; FRAME_SAMPLES * 2];
