use super::super::demo_timeline::{
    self, BEGIN_MS, acknowledged, anomaly, closed, event, incident, incident_acknowledged, incident_closed,
    incident_opened, incident_updated, opened, updated,
};
use super::*;
use earcon_model::{Event, EventBody, IncidentEvent, KpiEvent, KpiName, Labels, SeriesEvent};

const CALM: Features = Features { robust_z: 0.0, residual_z: 0.0, volatility: 1.0, slope: 0.0, level: 0.5 };

fn mix(voices: u8) -> Sonifier {
    Sonifier::new(MixSettings { voices, ..Default::default() })
}

fn kpi(name: &str) -> KpiName {
    KpiName::new(name).unwrap()
}

fn send(mix: &mut Sonifier, name: &str, score: f32, now_ms: i64) {
    assert!(mix.observe(&demo_timeline::samples(name, CALM, score, now_ms)).is_empty(), "samples alone cause no cue");
}

fn scene(mix: &mut Sonifier, now_ms: i64) -> Scene {
    mix.scene(BEGIN_MS + now_ms)
}

fn voices(mix: &Sonifier) -> Vec<String> {
    let in_front = mix.sounding().into_iter().filter(|voice| voice.role == Role::Voice);
    in_front.map(|voice| voice.kpi.to_string()).collect()
}

fn stalled(name: &str, now_ms: i64) -> Event {
    event(name, SeriesEvent::Stalled { labels: Labels::none(), last_timestamp_ms: 0 }, now_ms)
}

#[test]
fn highest_scores_get_voices_and_others_join_the_bed() {
    let mut mix = mix(2);
    for (name, score) in [("a.x", 0.1), ("b.x", 0.6), ("c.x", 0.2), ("d.x", 0.5)] {
        send(&mut mix, name, score, 0);
    }
    scene(&mut mix, 0);
    assert_eq!(voices(&mix), ["b.x", "d.x"]);
    let roles: Vec<Role> = mix.sounding().iter().map(|voice| voice.role).collect();
    assert_eq!(roles, [Role::Voice, Role::Voice, Role::Bed, Role::Bed]);
}

#[test]
fn a_spike_of_the_bed_gets_a_voice_in_the_next_scene() {
    let mut mix = mix(2);
    for i in 0..50 {
        send(&mut mix, &format!("k{i}.x"), 0.05, 0);
    }
    scene(&mut mix, 0);
    let behind = mix.sounding().last().unwrap().kpi.clone();
    send(&mut mix, behind.as_str(), 0.9, 20);
    let scene = scene(&mut mix, 20);
    assert!(voices(&mix).contains(&behind.to_string()));
    assert!(scene.voices.iter().any(|voice| voice.prominence > 0.9 && voice.brightness > 0.5));
}

#[test]
fn spike_of_a_voice_changes_its_own_controls_only() {
    let mut mix = mix(3);
    for name in ["a.x", "b.x", "c.x"] {
        send(&mut mix, name, 0.05, 0);
    }
    let before = scene(&mut mix, 0);
    send(&mut mix, "b.x", 0.7, 20);
    let after = scene(&mut mix, 20);
    let changed: Vec<usize> = (0..MAX).filter(|i| after.voices[*i] != before.voices[*i]).collect();
    assert_eq!(changed.len(), 1);
    assert!(after.voices[changed[0]].prominence > before.voices[changed[0]].prominence + 0.5);
}
const MAX: usize = super::super::MAX_VOICES;

#[test]
fn warming_and_silent_series_have_no_voice() {
    let mut mix = mix(3);
    let warming = SeriesStatus::Warming { seen: 3, needed: 30 };
    let mut first = demo_timeline::samples("a.x", CALM, 0.0, 0);
    if let EventBody::Series(SeriesEvent::Samples(series)) = &mut first.body {
        (series[0].features, series[0].status) = (None, warming);
    }
    mix.observe(&first);
    send(&mut mix, "b.x", 0.1, 0);
    scene(&mut mix, 0);
    assert_eq!(voices(&mix), ["b.x"]);
    mix.observe(&stalled("b.x", 1_000));
    scene(&mut mix, 1_000);
    assert_eq!(voices(&mix), [""; 0]);
    send(&mut mix, "b.x", 0.1, 2_000);
    scene(&mut mix, 2_000);
    assert_eq!(voices(&mix), ["b.x"]);
}

#[test]
fn ended_series_becomes_silent_without_a_cue() {
    let mut mix = mix(3);
    send(&mut mix, "a.x", 0.1, 0);
    mix.observe(&opened("a.x", 0.6, 0));
    scene(&mut mix, 0);
    assert_eq!(voices(&mix), ["a.x"]);
    let ended = SeriesEvent::Ended { labels: Labels::none(), timestamp_ms: 500 };
    assert!(mix.observe(&event("a.x", ended, 500)).is_empty());
    assert!(mix.observe(&closed("a.x", 0, 500)).is_empty(), "the episode that ends with it");
    scene(&mut mix, 500);
    assert_eq!(voices(&mix), [""; 0]);
    send(&mut mix, "a.x", 0.1, 1_000);
    scene(&mut mix, 1_000);
    assert_eq!(voices(&mix), ["a.x"], "and is audible again with its next sample");
}

#[test]
fn history_is_not_audible() {
    let mut mix = mix(3);
    let EventBody::Series(SeriesEvent::Samples(series)) = demo_timeline::samples("a.x", CALM, 0.9, 0).body else {
        unreachable!()
    };
    assert!(mix.observe(&event("a.x", SeriesEvent::Backfilled(series), 0)).is_empty());
    scene(&mut mix, 0);
    assert_eq!(voices(&mix), [""; 0]);
}

#[test]
fn cue_sounds_only_on_a_change_of_state() {
    let mut mix = mix(3);
    let say = |mix: &mut Sonifier, event: Event| mix.observe(&event).first().map(|cue| (cue.kind, cue.severity));
    use CueKind::{Closed, Opened, Restored, Stalled};
    use Severity::{Critical, Info};
    assert_eq!(say(&mut mix, incident_opened("a.x", 0.6, 0)), Some((Opened, Info)));
    assert_eq!(say(&mut mix, incident_opened("a.x", 0.6, 0)), None, "the same incident again");
    assert_eq!(say(&mut mix, incident_updated("a.x", 0.65, 0, 1_000)), None, "grown, but no more severe");
    assert_eq!(say(&mut mix, incident_updated("a.x", 0.95, 0, 2_000)), Some((Opened, Critical)));
    assert_eq!(say(&mut mix, incident_closed("a.x", 0, 3_000, false)), Some((Closed, Info)));
    assert_eq!(say(&mut mix, incident_closed("a.x", 0, 4_000, false)), None);
    assert_eq!(say(&mut mix, stalled("a.x", 5_000)), Some((Stalled, Info)));
    assert_eq!(say(&mut mix, stalled("a.x", 6_000)), None);
    let restored = SeriesEvent::Restored { labels: Labels::none(), timestamp_ms: 0 };
    assert_eq!(say(&mut mix, event("a.x", restored.clone(), 7_000)), Some((Restored, Info)));
    assert_eq!(say(&mut mix, event("a.x", restored, 8_000)), None);
}

#[test]
fn anomalies_and_suppressed_incidents_cause_no_cue() {
    let mut mix = mix(3);
    assert!(mix.observe(&opened("a.x", 0.95, 0)).is_empty());
    assert!(mix.observe(&updated("a.x", 0.99, 0, 10)).is_empty());
    let quiet = |closed| Box::new(Incident { alerted_at_ms: None, ..incident("a.x", 0.95, 0, closed) });
    assert!(mix.observe(&event("a.x", IncidentEvent::Opened(quiet(None)), 20)).is_empty());
    assert_eq!(mix.observe(&incident_updated("a.x", 0.95, 0, 30)).len(), 1, "now it is alerted");
    assert!(mix.observe(&closed("a.x", 0, 40)).is_empty());
}

#[test]
fn merged_incident_causes_no_cue() {
    let mut mix = mix(3);
    mix.observe(&incident_opened("a.x", 0.8, 0));
    mix.observe(&incident_opened("b.x", 0.8, 10));
    let target = incident("a.x", 0.8, 0, None).id;
    let gone = Incident { merged_into: Some(target), ..incident("b.x", 0.8, 10, Some(20)) };
    assert!(mix.observe(&event("b.x", IncidentEvent::Closed(Box::new(gone)), 20)).is_empty());
    assert_eq!(mix.observe(&incident_closed("a.x", 0, 30, false)).len(), 1);
}

#[test]
fn cue_names_its_series_and_incident() {
    let mut mix = mix(3);
    let cue = mix.observe(&incident_opened("shop.errors", 0.75, 0)).remove(0);
    assert_eq!(cue.incident, Some(incident("shop.errors", 0.0, 0, None).id));
    assert_eq!((cue.kpi, cue.severity), (kpi("shop.errors"), Severity::Warning));
    assert_eq!(cue.anomaly, Some(anomaly("shop.errors", 0.0, 0, None).id));
    let sound = scene(&mut mix, 0).cues.into_iter().flatten().next().unwrap();
    assert_eq!((sound.number, sound.severity), (cue.number, cue.severity));
    assert_eq!(sound.timbre, Timbre::for_kpi(&kpi("shop.orders"), 0), "the timbre is that of the family");
    assert!((250.0..500.0).contains(&sound.pitch_hz));
}

#[test]
fn burst_gives_six_cues_and_a_summary() {
    let mut mix = mix(3);
    let storm =
        (0..40).flat_map(|i| mix.observe(&incident_opened(&format!("k{i}.x"), 0.8, i * 500))).collect::<Vec<_>>();
    let kinds: Vec<CueKind> = storm.iter().map(|cue| cue.kind).collect();
    assert_eq!(kinds[..6], [CueKind::Opened; 6]);
    assert_eq!(kinds[6..], [CueKind::Summary]);
    assert_eq!(scene(&mut mix, 20_000).cues.iter().flatten().count(), 7, "all of them reach the renderer");
}

#[test]
fn an_acknowledged_episode_ducks_and_its_end_is_softer() {
    let mut mix = mix(1);
    send(&mut mix, "a.x", 0.8, 0);
    mix.observe(&opened("a.x", 0.8, 0));
    mix.observe(&incident_opened("a.x", 0.8, 0));
    let loud = scene(&mut mix, 0).voices[0].prominence;
    assert!(mix.observe(&acknowledged("a.x", 0, 10)).is_empty());
    assert!(scene(&mut mix, 10).voices[0].prominence < loud * 0.5);
    let seen = incident_acknowledged("a.x", 1.0, 0, 20);
    assert!(mix.observe(&seen).is_empty(), "no escalation after an acknowledgement");
    mix.observe(&incident_closed("a.x", 0, 30, true));
    let sounds = scene(&mut mix, 30).cues;
    let end = sounds.iter().flatten().find(|cue| cue.kind == CueKind::Closed).unwrap();
    assert!(end.gain < 0.5);
}

#[test]
fn late_scene_still_carries_a_cue() {
    let mut mix = mix(3);
    mix.observe(&incident_opened("a.x", 0.8, 0));
    let carried = |mix: &mut Sonifier, now| scene(mix, now).cues.iter().flatten().count();
    assert_eq!(carried(&mut mix, 30_000), 1);
    assert_eq!(carried(&mut mix, 31_000), 1);
    assert_eq!(carried(&mut mix, 31_500), 0);
}

#[test]
fn seeded_episode_causes_no_cue_until_it_ends() {
    let mut mix = mix(3);
    let episode = anomaly("a.x", 0.8, 0, None);
    let last =
        ScoredSample { timestamp_ms: BEGIN_MS, value: 1.0, score: Some(0.8), expected: 1.0, lower: 0.0, upper: 2.0 };
    mix.seed(&kpi("a.x"), &Labels::none(), &last, Some(CALM), SeriesStatus::Anomalous, Some(&episode));
    mix.seed_incidents([&incident("a.x", 0.8, 0, None)]);
    assert_eq!(scene(&mut mix, 60_000).cues.iter().flatten().count(), 0);
    assert_eq!(voices(&mix), ["a.x"]);
    assert!(mix.sounding()[0].prominence >= 0.35, "an open episode stays in front");
    assert!(mix.observe(&incident_updated("a.x", 0.8, 0, 60_500)).is_empty());
    assert_eq!(mix.observe(&incident_closed("a.x", 0, 61_000, false)).len(), 1);
}

#[test]
fn parked_kpi_becomes_silent_with_a_cue() {
    let mut mix = mix(3);
    send(&mut mix, "a.x", 0.1, 0);
    let cues = mix.observe(&event("a.x", KpiEvent::Parked { reason: "it failed".into() }, 10));
    assert_eq!(cues[0].kind, CueKind::Stalled);
    scene(&mut mix, 10);
    assert!(mix.sounding().is_empty());
    assert_eq!(mix.observe(&event("a.x", KpiEvent::Resumed, 20))[0].kind, CueKind::Restored);
}

#[test]
fn bed_is_silent_only_while_all_feeds_are_dead() {
    let mut mix = mix(1);
    assert!(!scene(&mut mix, 0).bed.silent, "a mix without series is not dead");
    send(&mut mix, "a.x", 0.1, 0);
    send(&mut mix, "b.x", 0.1, 0);
    mix.observe(&stalled("a.x", 1_000));
    assert!(!scene(&mut mix, 1_000).bed.silent, "b.x sends");
    mix.observe(&stalled("b.x", 2_000));
    let dead = scene(&mut mix, 2_000);
    assert!(dead.bed.silent && dead.voices.iter().all(|voice| voice.identity == 0), "nothing sends");
    send(&mut mix, "a.x", 0.1, 3_000);
    assert!(!scene(&mut mix, 3_300).bed.silent, "a.x is back");
}

#[test]
fn settings_change_keeps_the_series() {
    let mut mix = mix(3);
    for name in ["a.x", "b.x", "c.x"] {
        send(&mut mix, name, 0.1, 0);
    }
    scene(&mut mix, 0);
    mix.set_settings(MixSettings { voices: 1, ..Default::default() });
    assert_eq!(scene(&mut mix, 20).voices.iter().filter(|voice| voice.identity != 0).count(), 1);
    mix.set_settings(MixSettings { mode: Mode::Cues, ..Default::default() });
    scene(&mut mix, 40);
    assert!(mix.sounding().is_empty(), "cues only have no continuous voice");
    mix.set_settings(MixSettings::default());
    scene(&mut mix, 60);
    assert_eq!(voices(&mix).len(), 3);
}

#[test]
fn volatile_series_in_the_bed_raise_its_activity() {
    let mut mix = mix(0);
    for i in 0..20 {
        send(&mut mix, &format!("k{i}.x"), 0.05, 0);
    }
    let calm = scene(&mut mix, 0).bed;
    for i in 0..20 {
        send(&mut mix, &format!("k{i}.x"), 0.7, 1_000);
    }
    let stirred = scene(&mut mix, 1_000).bed;
    assert!(calm.activity < 0.05 && stirred.activity > 0.5, "{} {}", calm.activity, stirred.activity);
    assert!(stirred.weights.iter().sum::<f32>() > calm.weights.iter().sum::<f32>() + 0.5);
}

#[test]
fn the_same_events_give_the_same_scenes() {
    let (mut one, mut two) = (demo_timeline::DemoTimeline::new(), demo_timeline::DemoTimeline::new());
    for _ in 0..3_000 {
        assert_eq!(one.next_scene(), two.next_scene());
    }
}

fn muted(event: Event) -> Event {
    let EventBody::Anomaly(mut anomaly) = event.body else { return event };
    if let Some(anomaly) = anomaly.anomaly_mut() {
        anomaly.muted = Some("backup".into());
    }
    Event { body: anomaly.into(), ..event }
}

#[test]
fn muted_episode_stays_in_the_background_until_its_mute_ends() {
    let mut mix = mix(1);
    send(&mut mix, "a.x", 0.1, 0);
    assert!(mix.observe(&muted(opened("a.x", 0.9, 1_000))).is_empty());
    let quiet = scene(&mut mix, 1_000).voices[0].prominence;
    assert!(mix.observe(&updated("a.x", 0.9, 1_000, 2_000)).is_empty());
    assert!(scene(&mut mix, 2_000).voices[0].prominence > quiet + 0.1);
    assert!(mix.observe(&muted(closed("a.x", 1_000, 9_000))).is_empty());
}
