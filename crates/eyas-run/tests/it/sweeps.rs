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
        ("a=range(stop=3)", "no `start`"),
        ("a=range(1,2,3,4)", "an argument too many"),
        ("a=range(1,stop=2,stop=3)", "given twice"),
        ("a=range(first=1)", "no argument `first`"),
        ("a=glob(x*)", "`a` is no configuration group"),
        ("a=interval(0,1)", "`interval` has no values"),
        ("a=range(3),4", "a sweep inside of a sweep"),
        ("a b=1,2", "not a key"),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Expected values are those of hydra-core 1.3.2.
#[test]
fn functions_change_sweeps() {
    let cases: [(&str, &[&str]); 9] = [
        ("a=int(1.5,2.7)", &["1", "2"]),
        ("a=str(choice(1,2))", &["'1'", "'2'"]),
        ("a=float(range(1,3))", &["1.0", "2.0"]),
        ("a=sort(3,1,2)", &["1", "2", "3"]),
        ("a=sort(choice(b,a),reverse=true)", &["b", "a"]),
        ("a=sort(range(3,0,-1))", &["1", "2", "3"]),
        ("a=tag(slow,choice(1,2))", &["1", "2"]),
        ("a=int(3),4", &["3", "4"]),
        ("a=${b},1", &["${b}", "1"]),
    ];
    for (text, expected) in cases {
        assert_eq!(values(text), expected, "{text}");
    }
}

#[test]
fn glob_chooses_options_of_a_group() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("agent")).unwrap();
    for name in ["fast.yaml", "faster.yaml", "slow.yaml", "notes.txt"] {
        std::fs::write(folder.path().join("agent").join(name), "").unwrap();
    }
    let library = Library::default().with_folder(folder.path());
    let cases: [(&str, &[&str]); 6] = [
        ("agent=glob(*)", &["fast", "faster", "slow"]),
        ("agent=glob(fast*)", &["fast", "faster"]),
        ("agent=glob(*,exclude=fast*)", &["slow"]),
        ("agent=glob([slow,fast?r])", &["faster", "slow"]),
        ("agent=glob(fast)", &["fast"]),
        ("agent=glob('[f-s]*',[faster])", &["fast", "slow"]),
    ];
    for (text, expected) in cases {
        assert_eq!(Sweep::parse(text, &library).unwrap().values, expected, "{text}");
    }
    let error = Sweep::parse("agent=glob(quick*)", &library).unwrap_err();
    assert!(error.to_string().ends_with("`glob` matches none of fast, faster, slow"), "{error}");
}
