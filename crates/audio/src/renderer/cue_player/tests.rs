use super::*;

const OPENED: [Pattern; 3] = [OPENED_INFO, OPENED_WARNING, OPENED_CRITICAL];

fn cue(number: u64, kind: CueKind, severity: Severity) -> CueSound {
    CueSound { number, kind, severity, timbre: Timbre::Reed, pitch_hz: 330.0, pan: 0.0, gain: 1.0 }
}

fn carrying(cues: &[CueSound]) -> [Option<CueSound>; MAX_CUES] {
    std::array::from_fn(|i| cues.get(i).copied())
}

/// Block numbers at which a pulse begins: where the level jumps.
fn pulses(player: &mut CuePlayer, blocks: u32) -> Vec<u32> {
    let mut begun = Vec::new();
    let mut sum = Sum::new();
    for block in 0..blocks {
        let before = player.playing.map_or((0, 0), |playing| (playing.cue.number, playing.pulse));
        player.render(None, &mut sum);
        let after = player.playing.map_or((0, 0), |playing| (playing.cue.number, playing.pulse));
        if after != before && after.1 > 0 {
            begun.push(block);
        }
        sum.drain(|_, _, _| {});
    }
    begun
}

#[test]
fn severity_sets_the_gaps_and_the_number_of_pulses() {
    let heard = [Severity::Info, Severity::Warning, Severity::Critical].map(|severity| {
        let mut player = CuePlayer::new(0);
        player.enqueue_new(&carrying(&[cue(1, CueKind::Opened, severity)]));
        let begun = pulses(&mut player, 2_000);
        (begun.len(), begun.windows(2).map(|w| (w[1] - w[0]) * 64 / 48).collect::<Vec<_>>())
    });
    let expected_ms = [PULSE_MS + 500, PULSE_MS + 250, PULSE_MS + 100];
    for ((count, gaps), (pulses, expected)) in heard.into_iter().zip([2, 3, 5].into_iter().zip(expected_ms)) {
        assert_eq!(count, pulses);
        assert!(gaps.iter().all(|gap| gap.abs_diff(expected) <= 3), "{gaps:?} are not {expected} ms");
    }
}

#[test]
fn every_timbre_and_severity_has_the_spectrum_of_an_alarm() {
    for timbre in Timbre::ALL {
        for pattern in OPENED {
            let weights = partial_weights(timbre, pattern.contrast);
            let loudest = weights.iter().fold(0.0f32, |a, b| a.max(*b));
            for hz in [250.0, 370.0, 499.0] {
                let fundamentals = pattern.ratios.iter().map(|ratio| ratio * hz);
                assert!(fundamentals.clone().all(|hz| (150.0..=1_000.0).contains(&hz)));
                let strong = |i: &usize| {
                    let hz = hz * partial_ratio(*i, pattern.stiffness);
                    (150.0..4_000.0).contains(&hz) && weights[*i] > loudest * amplitude(-15.0)
                };
                assert!((0..8).filter(strong).count() >= 4, "{timbre:?} at {hz} Hz");
            }
        }
    }
}

#[test]
fn cue_in_several_scenes_is_played_once() {
    let mut player = CuePlayer::new(0);
    let carried = carrying(&[cue(1, CueKind::Opened, Severity::Info)]);
    let mut begun = 0;
    for _ in 0..100 {
        player.enqueue_new(&carried);
        begun += pulses(&mut player, 15).len();
    }
    assert_eq!(begun, 2);
}

#[test]
fn higher_severity_interrupts_and_equal_severity_waits() {
    let mut player = CuePlayer::new(0);
    player.enqueue_new(&carrying(&[cue(1, CueKind::Opened, Severity::Info)]));
    pulses(&mut player, 10);
    player.enqueue_new(&carrying(&[
        cue(2, CueKind::Opened, Severity::Info),
        cue(3, CueKind::Opened, Severity::Critical),
    ]));
    pulses(&mut player, 1);
    assert_eq!(player.playing.unwrap().cue.number, 3);
    pulses(&mut player, 1_400);
    assert_eq!(player.playing.unwrap().cue.number, 2, "the one that waited follows");
}

#[test]
fn closing_cue_descends_and_is_softer_than_opening_cues() {
    assert!(CLOSED.ratios.windows(2).all(|w| w[1] < w[0]));
    assert!(OPENED.iter().all(|pattern| pattern.gain_db > CLOSED.gain_db + 5.0));
}

#[test]
fn heartbeat_is_sparse_and_never_delays_a_cue() {
    let mut player = CuePlayer::new(0);
    let mut sum = Sum::new();
    let mut beats = Vec::new();
    for block in 0..750 * 30 {
        let before = player.playing.is_some();
        player.render(Some(300.0), &mut sum);
        if player.playing.is_some() && !before {
            beats.push(block);
        }
        sum.drain(|_, _, _| {});
    }
    assert_eq!(beats.len(), 4, "{beats:?}");
    while player.playing.is_none() {
        player.render(Some(300.0), &mut sum);
    }
    player.enqueue_new(&carrying(&[cue(1, CueKind::Opened, Severity::Info)]));
    player.render(Some(300.0), &mut sum);
    assert_eq!(player.playing.unwrap().cue.number, 1);
}
