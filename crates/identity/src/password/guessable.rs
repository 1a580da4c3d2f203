//! Passwords that are tried first: common ones, and rows of characters.

/// Common passwords of twelve characters or more, and words that people lengthen with digits and
/// signs. In small letters.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456123456",
    "123123123123",
    "112233445566",
    "abcdefghijkl",
    "qwertyuiopas",
    "qwertyuiop123",
    "qwertyuiop[]",
    "1qaz2wsx3edc",
    "1q2w3e4r5t6y",
    "q1w2e3r4t5y6",
    "zaq12wsxcde3",
    "1qazxsw23edc",
    "asdfghjkl123",
    "qazwsxedcrfv",
    "zxcvbnmasdfg",
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "passwordpassword",
    "mypassword",
    "thepassword",
    "newpassword",
    "changeme",
    "changemenow",
    "changeit",
    "letmein",
    "letmeinnow",
    "letmeinplease",
    "welcome",
    "welcometo",
    "iloveyou",
    "iloveyouforever",
    "iloveyousomuch",
    "iloveyoubaby",
    "administrator",
    "administrador",
    "admin",
    "adminadmin",
    "adminadminadmin",
    "administration",
    "superuser",
    "superman",
    "supersecret",
    "topsecret",
    "secretpassword",
    "secret",
    "default",
    "defaultpassword",
    "temporary",
    "temppassword",
    "temp",
    "guest",
    "correcthorsebatterystaple",
    "correct horse battery staple",
    "trustno",
    "trustnoone",
    "whatever",
    "whateverwhatever",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "basketball",
    "liverpool",
    "manchester",
    "manchesterunited",
    "arsenal",
    "chelsea",
    "barcelona",
    "realmadrid",
    "starwars",
    "pokemon",
    "batman",
    "spiderman",
    "dragonball",
    "dragon",
    "monkey",
    "shadow",
    "master",
    "michael",
    "jennifer",
    "jessica",
    "ashley",
    "charlie",
    "computer",
    "internet",
    "samsung",
    "google",
    "facebook",
    "microsoft",
    "windows",
    "unknown",
    "freedom",
    "forever",
    "family",
    "summer",
    "winter",
    "spring",
    "autumn",
    "sommer",
    "fruehling",
    "herbst",
    "january",
    "february",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "friday",
    "hallo",
    "hello",
    "helloworld",
    "hellohello",
    "test",
    "testtest",
    "testtesttest",
    "testing",
    "testing123",
    "qwerty",
    "qwertz",
    "qwertzuiop",
    "azerty",
    "azertyuiop",
    "abc",
    "earcon",
    "earconearcon",
    "company",
    "database",
    "postgres",
    "grafana",
    "prometheus",
    "monitoring",
    "production",
    "development",
    "staging",
    "contrasena",
    "motdepasse",
    "wachtwoord",
    "senha",
    "kennwort",
    "geheim",
    "lozinka",
    "haslo",
    "parola",
];

/// Rows of keys and characters that passwords run along.
const ROWS: [&str; 8] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "asdfghjkl",
    "zxcvbnm",
    "1234567890qwertyuiop",
];

/// Whether a password, in small letters, is a common one, or a common one with digits and signs at
/// its ends.
pub(super) fn is_common(password: &str) -> bool {
    let spelled: String = password.chars().map(letter).collect();
    let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphabetic()).to_owned();
    let candidates = [password.to_owned(), bare(password), bare(&spelled)];
    candidates.iter().any(|text| COMMON.contains(&text.as_str()))
}

/// The letter that a digit or a sign is often written for.
fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

/// Whether a password, in small letters, has few different characters, or is made of rows.
pub(super) fn is_simple(password: &str) -> bool {
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < 5 || in_rows(password)
}

/// Whether at least three quarters of the pairs of neighbours are neighbours in one row, forwards
/// or backwards.
fn in_rows(password: &str) -> bool {
    let characters: Vec<char> = password.chars().collect();
    let is_pair = |pair: &[char]| {
        let (forwards, backwards): (String, String) = (pair.iter().collect(), pair.iter().rev().collect());
        pair[0] == pair[1] || ROWS.iter().any(|row| row.contains(&forwards) || row.contains(&backwards))
    };
    let pairs = characters.windows(2).filter(|pair| is_pair(pair)).count();
    pairs * 4 >= (characters.len() - 1) * 3
}
