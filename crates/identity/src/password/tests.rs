use super::*;

/// As cheap as argon2 allows: these tests are about texts.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

#[test]
fn short_common_simple_and_own_passwords_are_refused() {
    let own = ["Ada Lovelace", "ada@example.org", "ada"];
    for (password, expected) in [
        ("", Err(PasswordError::TooShort)),
        ("k7#mQ2!vX9p", Err(PasswordError::TooShort)),
        ("ééééééééééé", Err(PasswordError::TooShort)),
        (&"x".repeat(257), Err(PasswordError::TooLong)),
        ("password1234", Err(PasswordError::Common)),
        ("P@ssw0rd2026!", Err(PasswordError::Common)),
        ("Sommer2026!!", Err(PasswordError::Common)),
        ("CorrectHorseBatteryStaple", Err(PasswordError::Common)),
        ("abababababab", Err(PasswordError::Simple)),
        ("111111111111", Err(PasswordError::Simple)),
        ("mnopqrstuvwx", Err(PasswordError::Simple)),
        ("987654321098", Err(PasswordError::Simple)),
        ("Lovelace2026", Err(PasswordError::OwnName)),
        ("adaadaadaada", Err(PasswordError::OwnName)),
        ("wolke-tisch-blau", Ok(())),
        ("lovelace wrote nine notes", Ok(())),
        ("k7#mQ2!vX9pz", Ok(())),
        ("ключ от сарая", Ok(())),
    ] {
        assert_eq!(check(password, &own), expected, "{password}");
    }
}

#[test]
fn password_is_verified_and_its_hash_follows_the_cost() {
    let stored = hash("wolke-tisch-blau", [1; 16], CHEAP).unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
    assert_eq!(verify("wolke-tisch-blau", &stored, CHEAP), Ok(Verified::Right { rehash: false }));
    assert_eq!(verify("wolke-tisch-blau ", &stored, CHEAP), Ok(Verified::Wrong));
    let dearer = Cost { passes: 2, ..CHEAP };
    assert_eq!(verify("wolke-tisch-blau", &stored, dearer), Ok(Verified::Right { rehash: true }));
    assert_ne!(hash("wolke-tisch-blau", [2; 16], CHEAP).unwrap(), stored);
    assert_eq!(verify_unknown("wolke", CHEAP), Ok(()));
}

#[test]
fn accents_have_one_form_whatever_keyboard_typed_them() {
    let stored = hash("caf\u{e9}-tisch-blau", [1; 16], CHEAP).unwrap();
    assert_eq!(verify("cafe\u{301}-tisch-blau", &stored, CHEAP), Ok(Verified::Right { rehash: false }));
}

#[test]
fn damaged_hash_is_an_error_and_takes_no_memory() {
    let stored = hash("wolke-tisch-blau", [1; 16], CHEAP).unwrap();
    for damaged in
        ["", "plain", &stored[..20], &stored.replace("argon2id", "argon2i"), &stored.replace("m=8", "m=4294967295")]
    {
        assert_eq!(verify("wolke-tisch-blau", damaged, CHEAP), Err(HashError::Stored), "{damaged}");
    }
    assert_eq!(hash("wolke-tisch-blau", [1; 16], Cost { memory_kib: u32::MAX, ..CHEAP }), Err(HashError::Cost));
    assert_eq!(hash(&"x".repeat(257), [1; 16], CHEAP), Err(HashError::Password(PasswordError::TooLong)));
    assert_eq!(verify(&"x".repeat(1 << 20), &stored, CHEAP), Ok(Verified::Wrong));
}
