//! Both containers of torch give the same objects, and what is written is what torch would write.

use eyas_formats::torch::{self, Container};
use eyas_formats::{DType, Tensor, Value};

use crate::fixtures::data;

#[test]
fn every_object_is_read_from_both_containers() {
    for (name, expected) in
        [("containers_zip.pt", Container::Zip), ("containers_legacy.pt", Container::Legacy)]
    {
        let (root, container) = torch::read(&data(name)).unwrap();
        assert_eq!(container, expected);
        check_tensors(&root);
        let bytes = Value::Bytes(vec![0, 255]);
        let inner = Value::dict([("a", Value::Dict(vec![]))]);
        let plain = [
            Value::None,
            true.into(),
            (-1).into(),
            70000.into(),
            (-(1_i64 << 40)).into(),
            0.25.into(),
            "µ".into(),
            bytes,
            Value::Tuple(vec![1.into()]),
            inner,
        ];
        assert_eq!(root.get("plain").and_then(Value::items), Some(&plain[..]), "{name}");
        assert_eq!(root.get("size"), Some(&Value::Tuple(vec![2.into(), 3.into()])));
        assert_eq!(root.get("device").and_then(Value::as_str), Some("cuda:1"));
    }
}

fn check_tensors(root: &Value) {
    let tensor = |key: &str| root.get(key).and_then(Value::as_tensor).unwrap();
    let counted: Vec<f32> = (0..24_u8).map(f32::from).collect();
    assert_eq!(tensor("shared").to_f32(), counted);
    assert_eq!(tensor("transposed").shape(), [6, 4]);
    assert_eq!(tensor("transposed").to_f32()[..5], [0.0, 6.0, 12.0, 18.0, 1.0]);
    assert_eq!(tensor("window").to_f32(), [8.0, 9.0, 10.0, 14.0, 15.0, 16.0]);
    assert_eq!((tensor("scalar").shape(), tensor("scalar").to_f32()), (&[][..], vec![2.5]));
    assert_eq!(tensor("empty").shape(), [0, 3]);
    assert_eq!(tensor("f64").to_f64(), [1.5, -2.5]);
    assert_eq!(tensor("f16").to_f32(), [0.333_007_8, -65504.0, 5.960_464_5e-8]);
    assert_eq!(tensor("bf16").to_f32(), [3.140_625, f32::from_bits(0xf14a_0000)]);
    assert_eq!(tensor("parameter").to_f32(), [9.0]);
    for (key, dtype, values) in [
        ("i64", DType::I64, vec![1_i64 << 62, -3]),
        ("i32", DType::I32, vec![i64::from(i32::MIN), 7]),
        ("i16", DType::I16, vec![-300]),
        ("i8", DType::I8, vec![-128, 127]),
        ("u8", DType::U8, vec![0, 255]),
        ("bool", DType::Bool, vec![1, 0]),
    ] {
        assert_eq!((tensor(key).dtype(), tensor(key).to_i64()), (dtype, Some(values)), "{key}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let (root, _) = torch::read(&data("containers_legacy.pt")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("again.pt");
    torch::write(&path, &root).unwrap();
    assert_eq!(torch::read(&path).unwrap(), (root, Container::Zip));
}

#[test]
fn equal_values_give_equal_bytes() {
    let value = || Value::ordered_dict([("weight", Tensor::from_f32(&[2], &[1.0, 2.0]))]);
    assert_eq!(torch::to_bytes(&value()), torch::to_bytes(&value()));
}

#[test]
fn storages_begin_at_multiples_of_64_bytes() {
    let marker: Vec<u8> = (0..251).collect();
    let value =
        Value::List((1..9).map(|length| Tensor::from_u8(&[length], &vec![7; length]).into()).collect());
    let value = Value::List(vec![value, Tensor::from_u8(&[251], &marker).into()]);
    let bytes = torch::to_bytes(&value);
    let start = bytes.windows(marker.len()).position(|window| window == marker).unwrap();
    assert_eq!(start % 64, 0);
}

/// `zip` misread archives of torch whose folder name has 21 characters; see `archive.rs`.
#[test]
fn a_folder_name_of_21_characters_is_no_obstacle() {
    assert_eq!("rsl_rl_2.3.3_mlp_norm".len(), 21);
    assert!(torch::read(&data("rsl_rl_2.3.3_mlp_norm.pt")).is_ok());
}
