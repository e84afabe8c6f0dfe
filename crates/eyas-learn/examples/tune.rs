//! Scratch: tune PPO.
use eyas_env::*;
use eyas_learn::ppo::*;
use eyas_learn::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let get = |k: &str, d: f64| args.iter().find_map(|a| a.strip_prefix(&format!("{k}=")).map(|v| v.parse().unwrap())).unwrap_or(d);
    rayon::ThreadPoolBuilder::new().num_threads(get("threads", 2.0) as usize).build_global().unwrap();
    let mut c = PointConfig::default();
    c.episode_length_s = get("ep", 10.0);
    c.reward_coef_termination_penalty = get("pen", 100.0);
    let n = get("envs", 2048.0) as usize;
    let seed = get("seed", 1.0) as u64;
    let mut env = PointEnv::new(&c, n, seed);
    let mut r = RunnerConfig::default();
    r.num_steps_per_env = get("steps", 32.0) as usize;
    r.max_iterations = get("iters", 300.0) as u32;
    let h = get("hid", 64.0) as usize;
    r.actor.hidden_dims = vec![h; 3];
    let h = get("chid", 64.0) as usize;
    r.critic.hidden_dims = vec![h; 3];
    r.actor.distribution_cfg.init_std = get("std", 0.4);
    let a = &mut r.algorithm;
    a.num_learning_epochs = get("epochs", 3.0) as u32;
    a.num_mini_batches = get("mb", 8.0) as usize;
    a.learning_rate = get("lr", 2e-3);
    a.schedule = match get("sched", 1.0) as u32 { 0 => Schedule::Fixed, 1 => Schedule::Adaptive, _ => Schedule::Anneal };
    a.desired_kl = get("kl", 0.015);
    a.entropy_coef = get("ent", 1e-3);
    a.gamma = get("gamma", 0.99);
    a.lam = get("lam", 0.95);
    a.use_clipped_value_loss = false;
    a.reward_scale = get("rs", 0.05);
    a.symmetry_cfg.use_data_augmentation = get("sym", 1.0) > 0.5;
    let mut ppo = Ppo::new(&r, &mut env, seed).unwrap();
    let t0 = std::time::Instant::now();
    let (mut tc, mut tl) = (0.0, 0.0);
    let every = get("every", 50.0) as u32;
    for it in 1..=r.max_iterations {
        let rep = ppo.iterate(&mut env);
        tc += rep.collection_time; tl += rep.learning_time;
        if it % every == 0 || it == r.max_iterations {
            let t = tc + tl;
            let mut pc = PointConfig::default(); pc.episode_length_s = 1e4;
            let mut ev = PointEnv::new(&pc, 1024, 777);
            let p = Pilot::new(&ppo.actor, ev.spec()).unwrap();
            let e = evaluate(&mut ev, &p, None, 2000);
            let (s, ho, mo) = (e.summary(), e.hover(), e.moving());
            println!("it {it} t {t:.1}s (c {tc:.1} l {tl:.1}) sps {:.0} | ret {:.0} hover rmse {:.4} crash {:.3} ret {:.0} | lang rmse {:.3} crash {:.3} ret {:.0} | kl {:.4} lr {:.1e} std {:.3?} v {:.4}", f64::from(it) * rep.env_steps as f64 / t, s.mean_return, ho.position_rmse, ho.crash_rate, ho.mean_return, mo.position_rmse, mo.crash_rate, mo.mean_return, rep.losses.kl, ppo.learning_rate, ppo.std, rep.losses.value_function);
        }
    }
    println!("total {:.1}", t0.elapsed().as_secs_f64());
}
