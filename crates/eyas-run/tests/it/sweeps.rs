use eyas_run::ConfigError;
use eyas_run::config::{Library, Sweep, jobs};

fn parse(text: &str) -> Result<Sweep, ConfigError> {
    Sweep::parse(text, &Library::default())
}

fn values(text: &str) -> Vec<String> {
    parse(text).unwrap_or_else(|error| panic!("{error}")).values
}

/// Expected values are those of hydra-core 1.3.2, `Override.sweep_string_iterator()`, but for spaces and the spelling of
/// numbers: here the texts stay as typed.
#[test]
fn sweeps_stand_for_the_values_that_they_stand_for_in_hydra() {
    let cases: [(&str, &[&str]); 17] = [
        ("a=1,2", &["1", "2"]),
        ("a=choice(1,2,3)", &["1", "2", "3"]),
        ("a= choice( 1 , 2 )", &["1", "2"]),
        ("a=choice([1,2],{b:3})", &["[1,2]", "{b:3}"]),
        ("a=[1,2],[3]", &["[1,2]", "[3]"]),
        ("a='x,y',z", &["'x,y'", "z"]),
        ("a=x y,z", &["x y", "z"]),
        ("a=range(3)", &["0", "1", "2"]),
        ("a=range(1,4)", &["1", "2", "3"]),
        ("a=range(0,10,3)", &["0", "3", "6", "9"]),
        ("a=range(10,1,-3)", &["10", "7", "4"]),
        ("a=range(0,1,0.25)", &["0.0", "0.25", "0.5", "0.75"]),
        ("a=range(0.5,3)", &["0.5", "1.5", "2.5"]),
        ("a=range(start=1,stop=4)", &["1", "2", "3"]),
        ("a=range(0,2,step=1)", &["0", "1"]),
        ("+a=1,2", &["1", "2"]),
        ("a=null,1e-3,true", &["null", "1e-3", "true"]),
    ];
    for (text, expected) in cases {
        assert_eq!(values(text), expected, "{text}");
    }
    assert_eq!(values("a=range(0,1,0.1)")[7], "0.7");
}

#[test]
fn one_value_is_no_sweep() {
    for text in ["a=1", "a=[1,2]", "a=", "~a", "a='1,2'", "a=range(1,2)"] {
        assert!(!parse(text).unwrap().is_swept(), "{text}");
    }
    assert_eq!(jobs(&[parse("a=").unwrap(), parse("~b").unwrap()]), [["a=", "~b"]]);
    assert_eq!(jobs(&[]), [[""; 0]]);
}

#[test]
fn the_last_sweep_varies_fastest() {
    let sweeps = ["a=1,2", "b=x", "c=3,4"].map(|text| parse(text).unwrap());
    let expected =
        [["a=1", "b=x", "c=3"], ["a=1", "b=x", "c=4"], ["a=2", "b=x", "c=3"], ["a=2", "b=x", "c=4"]];
    assert_eq!(jobs(&sweeps), expected);
}

#[test]
fn what_is_no_sweep_is_refused_with_a_reason() {
    let cases = [
        ("a", "it has no `=`"),
        ("a=1,", "ends where a value is expected"),
        ("a=choice()", "no value"),
        ("a=range(0,3,0)", "step of 0"),
        ("a=range(5,0)", "0 values"),
        ("a=range(0,1e9)", "1000000000 values"),
        ("a=range(nan,1)", "not finite"),
        ("a=range(1,x)", "no number"),
        ("a=range(stop=3)", "missing"),
        ("a=range(1,2,3,4)", "too many"),
        ("a=range(1,stop=2,stop=3)", "too many"),
        ("a=range(first=1)", "no argument `first`"),
        ("a=glob(x*)", "`glob` is not supported"),
        ("a=interval(0,1)", "`interval` is not supported"),
        ("a=int(3),4", "a function"),
        ("a b=1,2", "not a key"),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
