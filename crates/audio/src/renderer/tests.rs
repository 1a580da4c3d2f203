use ebur128::{EbuR128, Mode as Measure};

use super::super::demo_timeline::{ACKNOWLEDGED_S, CUE_ALONE_S, CUES_ONLY_S, DemoTimeline, OPENED_S, SPIKE_S};
use super::super::{CueKind, CueSound, MAX_CUES, Severity, Timbre, VoiceControls};
use super::*;

/// Interleaved samples of the first `seconds` of a timeline.
fn rendered(mut timeline: DemoTimeline, seconds: usize) -> Vec<f32> {
    let mut renderer = Renderer::new(1);
    let mut frame = [0.0; FRAME_SAMPLES * 2];
    let mut pcm = Vec::with_capacity(seconds * 96_000);
    for _ in 0..seconds * 50 {
        renderer.render(&timeline.next_scene(), &mut frame);
        pcm.extend_from_slice(&frame);
    }
    pcm
}

fn between(pcm: &[f32], from_s: f64, to_s: f64) -> &[f32] {
    &pcm[(from_s * 48_000.0) as usize * 2..(to_s * 48_000.0) as usize * 2]
}

fn rms(pcm: &[f32]) -> f32 {
    (pcm.iter().map(|x| x * x).sum::<f32>() / pcm.len() as f32).sqrt()
}

fn db(ratio: f32) -> f32 {
    20.0 * ratio.max(1e-9).log10()
}

/// RMS of the second difference on the left. It weights the spectrum by the square of the
/// frequency, and so measures the upper partials.
fn upper(pcm: &[f32]) -> f32 {
    let left: Vec<f32> = pcm.iter().step_by(2).copied().collect();
    let difference: Vec<f32> = left.windows(3).map(|w| w[0] - 2.0 * w[1] + w[2]).collect();
    rms(&difference)
}

/// The largest fourth difference: almost insensitive to sound below 3 kHz, and six times the height
/// of any step.
fn sharpest_edge(pcm: &[f32]) -> f32 {
    let edges = |channel: usize| {
        let samples: Vec<f32> = pcm.iter().skip(channel).step_by(2).copied().collect();
        samples.windows(5).map(|w| (w[0] - 4.0 * w[1] + 6.0 * w[2] - 4.0 * w[3] + w[4]).abs()).fold(0.0, f32::max)
    };
    edges(0).max(edges(1))
}

fn integrated(pcm: &[f32]) -> f64 {
    let mut meter = EbuR128::new(2, SAMPLE_RATE, Measure::I).unwrap();
    meter.add_frames_f32(pcm).unwrap();
    meter.loudness_global().unwrap()
}

/// Momentary loudness (400 ms) every 20 ms.
fn momentary(pcm: &[f32]) -> Vec<f64> {
    let mut meter = EbuR128::new(2, SAMPLE_RATE, Measure::M).unwrap();
    let measure = |frame: &[f32]| {
        meter.add_frames_f32(frame).unwrap();
        meter.loudness_momentary().unwrap()
    };
    pcm.chunks(FRAME_SAMPLES * 2).map(measure).collect()
}

fn true_peak_db(pcm: &[f32]) -> f64 {
    let mut meter = EbuR128::new(2, SAMPLE_RATE, Measure::TRUE_PEAK).unwrap();
    meter.add_frames_f32(pcm).unwrap();
    20.0 * meter.true_peak(0).unwrap().max(meter.true_peak(1).unwrap()).log10()
}

#[test]
fn calm_is_quiet_and_steady() {
    let pcm = rendered(DemoTimeline::calm(), 60);
    let calm = between(&pcm, 3.0, 60.0);
    let loudness = integrated(calm);
    assert!((-32.0..-28.0).contains(&loudness), "{loudness} LUFS");
    let loudest = momentary(calm).into_iter().skip(20).fold(f64::MIN, f64::max);
    assert!(loudest < loudness + 5.0, "{loudest} LUFS exceeds {loudness}");
}

#[test]
fn cues_are_audible_and_stay_below_their_limit() {
    let timeline = rendered(DemoTimeline::new(), 60);
    let calm = integrated(between(&timeline, 3.0, 10.0));
    let heard = momentary(&timeline);
    let loudest = heard.iter().copied().fold(f64::MIN, f64::max);
    assert!(loudest <= -18.0, "{loudest} LUFS");
    for second in [OPENED_S, 30, 32, 34, CUE_ALONE_S] {
        let cue = heard[second * 50..second * 50 + 60].iter().copied().fold(f64::MIN, f64::max);
        assert!(cue > calm + 5.5, "the cue at {second} s has {cue} LUFS over {calm}");
    }
}

#[test]
fn cue_changes_energy_and_spectrum_within_100_ms() {
    let (timeline, calm) = (rendered(DemoTimeline::new(), OPENED_S + 1), rendered(DemoTimeline::calm(), OPENED_S + 1));
    let at = OPENED_S as f64;
    let cue = between(&timeline, at, at + 0.1);
    for before in [between(&timeline, at - 0.1, at), between(&calm, at, at + 0.1)] {
        let (energy, spectrum) = (db(rms(cue) / rms(before)), db(upper(cue) / upper(before)));
        assert!(energy > 6.0 && spectrum > 20.0, "{energy} dB, upper spectrum {spectrum} dB");
    }
}

/// The calm timeline with a change of each scene from a second on.
fn changed(from_s: usize, seconds: usize, change: impl Fn(&mut Scene)) -> Vec<f32> {
    let (mut timeline, mut renderer) = (DemoTimeline::calm(), Renderer::new(1));
    let (mut pcm, mut frame) = (Vec::new(), [0.0; FRAME_SAMPLES * 2]);
    for i in 0..seconds * 50 {
        let mut scene = timeline.next_scene();
        if i >= from_s * 50 {
            change(&mut scene);
        }
        renderer.render(&scene, &mut frame);
        pcm.extend_from_slice(&frame);
    }
    pcm
}

#[test]
fn cue_of_a_stalled_series_is_six_decibels_over_the_bed() {
    for timbre in Timbre::ALL {
        let cue = CueSound {
            number: 1,
            kind: CueKind::Stalled,
            severity: Severity::Info,
            timbre,
            pitch_hz: 300.0,
            pan: 0.6,
            gain: 1.0,
        };
        let pcm = changed(10, 12, |scene| scene.cues[0] = Some(cue));
        let (bed, cue) = (integrated(between(&pcm, 3.0, 10.0)), momentary(&pcm[10 * 96_000..]));
        let cue = cue.into_iter().fold(f64::MIN, f64::max);
        assert!(cue > bed + 6.0, "{timbre:?}: {cue} LUFS over {bed}");
    }
}

#[test]
fn bed_and_heartbeat_stop_without_a_click_when_no_feed_is_alive() {
    let dead = |scene: &mut Scene| {
        scene.voices = Default::default();
        scene.bed.silent = true;
    };
    let pcm = changed(10, 20, dead);
    let (before, after) = (between(&pcm, 8.0, 10.0), between(&pcm, 14.0, 20.0));
    let fall = integrated(after) - integrated(before);
    assert!(fall < -20.0 && rms(after) > 1e-5, "it falls by {fall} LU, to air and not to digital silence");
    assert!(sharpest_edge(between(&pcm, 9.5, 14.0)) < 0.003);
    let heartbeat = changed(0, 12, |scene| {
        scene.mode = Mode::Cues;
        dead(scene);
    });
    let loudest = momentary(&heartbeat).into_iter().skip(100).fold(f64::MIN, f64::max);
    assert!(loudest < -55.0, "no heartbeat either: {loudest} LUFS");
}

#[test]
fn spike_of_a_voice_is_audible_within_200_ms() {
    let (timeline, calm) = (rendered(DemoTimeline::new(), SPIKE_S + 2), rendered(DemoTimeline::calm(), SPIKE_S + 2));
    // The spiking series sends 480 ms into the second.
    let at = SPIKE_S as f64 + 0.48;
    let (spike, before) = (between(&timeline, at + 0.1, at + 0.2), between(&calm, at + 0.1, at + 0.2));
    assert_eq!(between(&timeline, 0.0, at), between(&calm, 0.0, at), "nothing else differs");
    let (energy, spectrum) = (db(rms(spike) / rms(before)), db(upper(spike) / upper(before)));
    assert!(energy > 3.0 && spectrum > 10.0, "{energy} dB, upper spectrum {spectrum} dB");
}

#[test]
fn acknowledging_makes_it_calmer() {
    let timeline = rendered(DemoTimeline::new(), ACKNOWLEDGED_S + 5);
    let at = ACKNOWLEDGED_S as f64;
    let (before, after) = (between(&timeline, at - 2.0, at), between(&timeline, at + 2.0, at + 4.0));
    assert!(rms(after) < rms(before));
}

#[test]
fn cues_only_mode_has_a_heartbeat_and_no_digital_silence() {
    let timeline = rendered(DemoTimeline::new(), CUE_ALONE_S);
    let alone = between(&timeline, CUES_ONLY_S as f64 + 4.0, CUE_ALONE_S as f64);
    assert!(integrated(alone) < -60.0 && rms(alone) > 1e-5, "{} LUFS, {}", integrated(alone), rms(alone));
    let beat = momentary(between(&timeline, CUES_ONLY_S as f64 + 1.7, CUES_ONLY_S as f64 + 3.5));
    let beat = beat.into_iter().fold(f64::MIN, f64::max);
    assert!((-46.0..-36.0).contains(&beat), "{beat} LUFS");
}

#[test]
fn bed_voices_and_modes_change_without_a_click() {
    let timeline = rendered(DemoTimeline::new(), CUE_ALONE_S);
    for (from, to) in [(0, OPENED_S), (17, 25), (36, 44), (46, CUE_ALONE_S)] {
        let edge = sharpest_edge(between(&timeline, from as f64, to as f64));
        assert!(edge < 0.003, "an edge of {edge} between {from} and {to} s");
    }
}

#[test]
fn cue_starts_without_a_click() {
    let timeline = rendered(DemoTimeline::new(), OPENED_S + 1);
    let at = OPENED_S as f64;
    let (attack, ringing) = (between(&timeline, at, at + 0.009), between(&timeline, at + 0.009, at + 0.1));
    assert!(sharpest_edge(attack) < 1.1 * sharpest_edge(ringing), "its attack is no sharper than its own partials");
}

#[test]
fn there_is_no_direct_current() {
    let timeline = rendered(DemoTimeline::new(), 60);
    for channel in 0..2 {
        let mean =
            timeline.iter().skip(channel).step_by(2).map(|x| f64::from(*x)).sum::<f64>() / (timeline.len() / 2) as f64;
        assert!(mean.abs() < 1e-5, "direct current of {mean}");
    }
}

/// All sources at once, as loud as the controls allow.
fn loudest_scene(frame: u64) -> Scene {
    let mut scene = DemoTimeline::new().next_scene();
    for (i, voice) in scene.voices.iter_mut().enumerate() {
        *voice = VoiceControls {
            identity: 1 + i as u64,
            timbre: Timbre::ALL[i % 5],
            pitch_hz: 300.0 + 150.0 * i as f32,
            glide_ms: 50.0,
            brightness: 1.0,
            prominence: 1.0,
            ..Default::default()
        };
    }
    (scene.bed.weights, scene.bed.activity) = ([1.6; 5], 1.0);
    let cue = |i: u64| CueSound {
        number: frame / 10 * 8 + i + 1,
        kind: CueKind::Opened,
        severity: Severity::Critical,
        timbre: Timbre::Reed,
        pitch_hz: 300.0,
        pan: 0.6,
        gain: 8.0,
    };
    scene.cues = std::array::from_fn(|i| (i < MAX_CUES).then(|| cue(i as u64)));
    scene
}

#[test]
fn limiter_keeps_true_peaks_below_minus_one_decibel() {
    let mut renderer = Renderer::new(1);
    let (mut pcm, mut frame) = (Vec::new(), [0.0; FRAME_SAMPLES * 2]);
    for i in 0..500 {
        renderer.render(&loudest_scene(i), &mut frame);
        pcm.extend_from_slice(&frame);
    }
    let peak = true_peak_db(&pcm);
    assert!(peak <= -1.0, "{peak} dBTP");
    assert!(peak > -6.0, "this does not test the limiter: {peak} dBTP");
}

#[test]
fn equal_scenes_give_equal_sound_to_the_bit() {
    let bits = |pcm: Vec<f32>| pcm.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(rendered(DemoTimeline::new(), 36)), bits(rendered(DemoTimeline::new(), 36)));
}

#[test]
fn repeated_or_skipped_scene_does_not_stop_the_sound() {
    let (mut timeline, mut renderer) = (DemoTimeline::new(), Renderer::new(1));
    let mut frame = [0.0; FRAME_SAMPLES * 2];
    for i in 0..1_000 {
        let scene = timeline.next_scene();
        for _ in 0..i % 3 {
            renderer.render(&scene, &mut frame);
            assert!(frame.iter().all(|sample| sample.is_finite()));
        }
    }
    assert!(rms(&frame) > 1e-3);
}

#[test]
fn a_default_scene_is_almost_silent() {
    let (mut renderer, mut frame) = (Renderer::new(1), [0.0; FRAME_SAMPLES * 2]);
    for _ in 0..100 {
        renderer.render(&Scene::default(), &mut frame);
    }
    assert!(frame.iter().all(|sample| sample.abs() < 0.01), "{}", rms(&frame));
}

/// Level and upper spectrum of every third second of the timeline, dB. Coarse on purpose: another
/// libm or instruction set changes the last bits of a sample, while a change of the sound changes
/// these values.
const GOLDEN: [(f32, f32); 20] = [
    (-33.8, -82.0),
    (-30.8, -80.4),
    (-30.1, -77.3),
    (-30.0, -68.6),
    (-34.4, -75.5),
    (-29.9, -42.3),
    (-32.5, -72.6),
    (-32.7, -73.9),
    (-30.1, -61.9),
    (-31.9, -84.5),
    (-32.1, -81.7),
    (-24.3, -42.7),
    (-34.3, -72.3),
    (-36.0, -82.5),
    (-33.6, -81.1),
    (-31.8, -81.3),
    (-32.2, -81.2),
    (-43.5, -94.5),
    (-73.1, -95.1),
    (-69.6, -95.1),
];

#[test]
fn demo_timeline_matches_the_golden_levels() {
    let timeline = rendered(DemoTimeline::new(), 60);
    let measure = |i: usize| {
        let part = between(&timeline, 3.0 * i as f64 + 1.0, 3.0 * i as f64 + 2.0);
        (db(rms(part)), db(upper(part)))
    };
    let heard: [(f32, f32); 20] = std::array::from_fn(measure);
    let near = |a: f32, b: f32| (a - b).abs() < 0.5;
    let same = GOLDEN.iter().zip(&heard).all(|(a, b)| near(a.0, b.0) && near(a.1, b.1));
    assert!(same, "the sound has changed; the new levels are: {heard:.1?}");
}

/// A render thread owns all of these, so this must compile.
const _: fn() = || {
    fn sendable<T: Send + 'static>() {}
    sendable::<(Renderer, Scene, super::super::Encoder, super::super::Sonifier)>();
};
