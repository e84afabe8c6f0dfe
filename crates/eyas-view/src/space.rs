//! Vectors, rotations and cameras.

/// A point or direction, m, world or body frame as its name says.
pub type Vector = [f32; 3];

pub(crate) fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(factor: f32, a: Vector) -> Vector {
    a.map(|value| factor * value)
}

pub(crate) fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn norm(a: Vector) -> f32 {
    dot(a, a).sqrt()
}

/// The unit vector along `a`; `a` itself if it is nearly zero.
pub(crate) fn unit(a: Vector) -> Vector {
    let length = norm(a);
    if length > 1e-12 { scale(1.0 / length, a) } else { a }
}

/// `a` at 0, `b` at 1.
pub(crate) fn mix(a: Vector, b: Vector, share: f32) -> Vector {
    add(a, scale(share, sub(b, a)))
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smoothstep(low: f32, high: f32, value: f32) -> f32 {
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// Sine and cosine that are the same on every machine.
pub(crate) fn sin_cos(angle: f32) -> (f32, f32) {
    let (sin, cos) = libm::sincos(f64::from(angle));
    (sin as f32, cos as f32)
}

/// Where a vehicle is: position in the world frame, m, and rotation from body to world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Position in the world frame, m.
    pub position: Vector,
    /// Unit quaternion `w, x, y, z`, body to world.
    pub orientation: [f32; 4],
}

impl Pose {
    /// The rows of the rotation from body to world.
    pub(crate) fn world_from_body(&self) -> [Vector; 3] {
        let [w, x, y, z] = self.orientation;
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    }
}

pub(crate) fn rotate(rows: &[Vector; 3], a: Vector) -> Vector {
    [dot(rows[0], a), dot(rows[1], a), dot(rows[2], a)]
}

/// A pinhole camera that never rolls: the horizon is level, so each row of an image sees the ground at one depth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Camera {
    /// Where it stands, world frame, m.
    pub(crate) position: Vector,
    /// Unit vector along its axis, world frame.
    pub(crate) forward: Vector,
    /// Unit vector to the right of the image, horizontal.
    pub(crate) right: Vector,
    /// Unit vector to the top of the image.
    pub(crate) up: Vector,
    /// Focal length over the height of the image.
    pub(crate) focal_length: f32,
}

impl Camera {
    /// A vertical field of view of 39°.
    const FOCAL_LENGTH: f32 = 1.4;

    /// Looks along an azimuth [rad, from x to y] and an elevation [rad, up is positive].
    pub(crate) fn new(position: Vector, azimuth: f32, elevation: f32) -> Self {
        let ((sin, cos), (rise, run)) = (sin_cos(azimuth), sin_cos(elevation));
        let forward = [cos * run, sin * run, rise];
        let right = [sin, -cos, 0.0];
        Self { position, forward, right, up: cross(right, forward), focal_length: Self::FOCAL_LENGTH }
    }

    /// Looks at a point from a distance, along an azimuth and an elevation.
    pub(crate) fn looking_at(target: Vector, distance: f32, azimuth: f32, elevation: f32) -> Self {
        let camera = Self::new(target, azimuth, elevation);
        Self { position: sub(target, scale(distance, camera.forward)), ..camera }
    }
}

/// A camera before an image of some size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lens {
    pub(crate) camera: Camera,
    pub(crate) center: [f32; 2],
    /// Pixels for each unit of slope.
    pub(crate) focal: f32,
}

/// A point of the image: x to the right, y down, px; depth along the camera's axis, m.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixel {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) depth: f32,
}

/// Nothing nearer than this is drawn, m.
pub(crate) const NEAR: f32 = 0.02;

impl Lens {
    pub(crate) fn new(camera: Camera, width: usize, height: usize) -> Self {
        let (width, height) = (width as f32, height as f32);
        // A narrow image keeps the horizontal angle of a 4:3 one.
        let short = height.min(0.75 * width);
        Self { camera, center: [0.5 * width, 0.5 * height], focal: camera.focal_length * short }
    }

    /// Depth and slopes of a point.
    pub(crate) fn view(&self, point: Vector) -> Vector {
        let offset = sub(point, self.camera.position);
        [dot(offset, self.camera.right), dot(offset, self.camera.up), dot(offset, self.camera.forward)]
    }

    pub(crate) fn image(&self, view: Vector) -> Pixel {
        let per_depth = self.focal / view[2];
        Pixel {
            x: self.center[0] + view[0] * per_depth,
            y: self.center[1] - view[1] * per_depth,
            depth: view[2],
        }
    }

    pub(crate) fn project(&self, point: Vector) -> Option<Pixel> {
        let view = self.view(point);
        (view[2] > NEAR).then(|| self.image(view))
    }
}
