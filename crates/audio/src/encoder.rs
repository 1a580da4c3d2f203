//! Encodes PCM to Opus packets.

use bytes::Bytes;
use opus::{Application, Bitrate, Channels};

use super::frame::{Frame, SAMPLE_RATE};

/// Bits per second of every stream.
pub const BITRATE: u32 = 64_000;
/// 0 to 10. In measurements, 5 encodes this material about 1.5 times as fast as 10.
const COMPLEXITY: i32 = 5;
/// Maximum size of an Opus packet of one frame (RFC 6716 §3.4).
const LARGEST_PACKET: usize = 1_275;

/// An error of the codec, with libopus's own text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("opus: {0}")]
pub struct EncodeError(String);

impl From<opus::Error> for EncodeError {
    fn from(error: opus::Error) -> Self {
        Self(error.to_string())
    }
}

/// One Opus encoder: 48 kHz stereo, 20 ms a packet, constant bitrate.
///
/// The bitrate is constant because some players buffer by bytes: with small packets for quiet
/// sound, they would wait for minutes. So every packet has 160 bytes, and silence is encoded as
/// well.
pub struct Encoder {
    opus: opus::Encoder,
    packet: [u8; LARGEST_PACKET],
}

impl Encoder {
    /// A new encoder.
    ///
    /// # Errors
    /// libopus cannot allocate its state.
    pub fn new() -> Result<Self, EncodeError> {
        let mut opus = opus::Encoder::new(SAMPLE_RATE, Channels::Stereo, Application::Audio)?;
        opus.set_bitrate(Bitrate::Bits(BITRATE as i32))?;
        opus.set_vbr(false)?;
        opus.set_dtx(false)?;
        opus.set_complexity(COMPLEXITY)?;
        opus.set_signal(opus::Signal::Music)?;
        Ok(Self { opus, packet: [0; LARGEST_PACKET] })
    }

    /// Encodes a frame into one packet, which listeners can share.
    ///
    /// # Errors
    /// libopus fails; the encoder may be used again.
    pub fn encode(&mut self, frame: &Frame) -> Result<Bytes, EncodeError> {
        let length = self.opus.encode_float(frame, &mut self.packet)?;
        Ok(Bytes::copy_from_slice(&self.packet[..length]))
    }

    /// Samples that a decoder must drop at the start of a stream: the encoder's look-ahead (RFC
    /// 7845 §4.2).
    ///
    /// # Errors
    /// libopus does not report it.
    pub fn pre_skip(&mut self) -> Result<u16, EncodeError> {
        let samples = self.opus.get_lookahead()?;
        u16::try_from(samples).map_err(|_| EncodeError(format!("a look-ahead of {samples} samples")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::demo_timeline::{DemoTimeline, OPENED_S};
    use super::super::{FRAME_SAMPLES, Renderer};
    use super::*;

    fn tone(hz: f32, amplitude: f32, first: usize) -> Frame {
        let sample = |i: usize| (std::f32::consts::TAU * hz * (first + i / 2) as f32 / SAMPLE_RATE as f32).sin();
        std::array::from_fn(|i| amplitude * sample(i))
    }

    #[test]
    fn loud_quiet_and_silent_packets_have_one_size() {
        let mut encoder = Encoder::new().unwrap();
        let bytes_a_packet = (BITRATE / 8 / 50) as usize;
        for i in 0..60 {
            let amplitude = [0.5, 0.001, 0.0][i / 20];
            assert_eq!(encoder.encode(&tone(440.0, amplitude, i * FRAME_SAMPLES)).unwrap().len(), bytes_a_packet);
        }
    }

    #[test]
    fn decoded_sound_is_delayed_by_the_pre_skip() {
        let mut encoder = Encoder::new().unwrap();
        let mut decoder = opus::Decoder::new(SAMPLE_RATE, Channels::Stereo).unwrap();
        let (mut sent, mut heard) = (Vec::new(), Vec::new());
        for i in 0..50 {
            let frame = tone(440.0, 0.3, i * FRAME_SAMPLES);
            sent.extend(frame);
            let mut out = [0.0; FRAME_SAMPLES * 2];
            decoder.decode_float(&encoder.encode(&frame).unwrap(), &mut out, false).unwrap();
            heard.extend(out);
        }
        let skip = usize::from(encoder.pre_skip().unwrap()) * 2;
        assert_eq!(skip, 624, "312 samples a channel, as the protocol says");
        let error = sent[9_600..].iter().zip(&heard[9_600 + skip..]).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let power = sent[9_600..].iter().map(|a| a * a).sum::<f32>();
        assert!(error / power < 0.01, "{}", error / power);
    }

    #[test]
    fn cue_survives_the_codec() {
        let (mut story, mut renderer, mut encoder) = (DemoTimeline::new(), Renderer::new(1), Encoder::new().unwrap());
        let mut decoder = opus::Decoder::new(SAMPLE_RATE, Channels::Stereo).unwrap();
        let mut frame = [0.0; FRAME_SAMPLES * 2];
        let decode = |_| {
            renderer.render(&story.next_scene(), &mut frame);
            let packet = encoder.encode(&frame).unwrap();
            let mut out = [0.0; FRAME_SAMPLES * 2];
            decoder.decode_float(&packet, &mut out, false).unwrap();
            out.iter().map(|x| x * x).sum::<f32>()
        };
        let energy: Vec<f32> = (0..(OPENED_S + 1) * 50).map(decode).collect();
        let at = OPENED_S * 50;
        let loudest = |frames: &[f32]| frames.iter().copied().fold(0.0, f32::max);
        assert!(loudest(&energy[at..at + 5]) > 8.0 * loudest(&energy[at - 25..at]));
    }
}
