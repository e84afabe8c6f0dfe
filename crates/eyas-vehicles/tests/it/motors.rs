//! Rotors in another order, of another spin or at other places than a policy's are told apart.

use eyas_sim::VehicleParameters;
use eyas_vehicles::{
    MotorLayout, MotorMismatch, crazyflie, find_vehicle, foundation_crazyflie, motor_order, reordered,
    vehicles,
};

fn x500() -> VehicleParameters {
    find_vehicle("x500").unwrap().parameters()
}

fn mismatch(flown: &VehicleParameters) -> Option<MotorMismatch> {
    MotorMismatch::between(&MotorLayout::from(&crazyflie()), &MotorLayout::from(flown))
}

fn said(flown: &VehicleParameters) -> String {
    mismatch(flown).unwrap().to_string()
}

#[test]
fn every_vehicle_of_the_registry_has_the_crazyflies_order_and_spins() {
    for it in vehicles() {
        assert_eq!(mismatch(&it.parameters()), None, "{}", it.name);
    }
}

#[test]
fn another_order_is_said_with_the_rotor_and_the_permutation_that_mends_it() {
    // PX4's: front right, back left, front left, back right.
    let px4 = reordered(&x500(), &[0, 2, 3, 1]);
    assert_eq!(px4.rotor_positions[1], x500().rotor_positions[2]);
    assert_eq!(
        said(&px4),
        "rotor 2 is back left, expected back right: in the policy's order the rotors are 1,4,2,3"
    );
    let Some(MotorMismatch::Order { order, .. }) = mismatch(&px4) else {
        panic!("not an order");
    };
    assert_eq!(motor_order(&order), "1,4,2,3");
    assert_eq!(reordered(&px4, &order), x500());
    // Foundation's tasks fly the same aircraft from the front left clockwise, whose spins fit as well.
    let Some(MotorMismatch::Order { order, .. }) = mismatch(&foundation_crazyflie()) else {
        panic!("not an order");
    };
    assert_eq!(order, [1, 2, 3, 0]);
}

#[test]
fn other_spins_and_a_mirrored_axis_are_said() {
    let mut reversed = x500();
    reversed.rotor_torque_directions = reversed.rotor_torque_directions.map(|it| it.map(|x| -x));
    assert_eq!(said(&reversed), "rotors 1, 2, 3, 4 spin the other way than the policy's");
    // The same file with y to the right: its first rotor is called front left then.
    let mut mirrored = x500();
    mirrored.rotor_positions = mirrored.rotor_positions.map(|[x, y, z]| [x, -y, z]);
    assert!(said(&mirrored).contains("y axis that points right?"), "{}", said(&mirrored));
    let mut one = x500();
    one.rotor_torque_constants[2] *= -1.0;
    assert_eq!(said(&one), "rotor 3 spins the other way than the policy's");
}

#[test]
fn a_plus_is_no_x_but_an_x_of_unequal_sides_is_one() {
    let arm = crazyflie().rotor_distance();
    let mut plus = crazyflie();
    plus.rotor_positions = [[arm, 0.0, 0.0], [0.0, -arm, 0.0], [-arm, 0.0, 0.0], [0.0, arm, 0.0]];
    assert_eq!(
        said(&plus),
        "rotor 1 is front; the policy's rotors are front right, back right, back left, front left"
    );
    let mut wide = crazyflie();
    wide.rotor_positions = wide.rotor_positions.map(|[x, y, z]| [x, 2.5 * y, z]);
    assert_eq!(mismatch(&wide), None);
    // Two at one place.
    let mut twice = crazyflie();
    twice.rotor_positions[1] = twice.rotor_positions[0];
    assert!(said(&twice).starts_with("rotor 2 is front right; the policy's rotors are "));
}
