// SPDX-License-Identifier: Apache-2.0

/// The hint that follows an unknown option: the one that was probably meant, or why there is none.
///
/// The command line and configuration files give the same hints.
package enum UnknownOption {
  /// What other libraries call an option, and its name here.
  ///
  /// Case does not matter, nor do `-` and `_`.
  package static let synonyms: [(option: String, names: [String])] = [
    ("target", ["label", "labels", "label_column", "target_column", "class_column", "y"]),
    ("features", ["feature_columns", "feature_names", "x", "usecols"]),
    (
      "ignore", ["drop", "drop_columns", "exclude", "ignore_columns", "skip_columns", "ignored"]
    ),
    ("categorical", ["cat_features", "categorical_features", "categorical_columns", "categories"]),
    (
      "weights",
      [
        "sample_weight", "sample_weights", "weight", "weight_column", "weight_col", "row_weight",
        "row_weights", "case_weight", "case_weights",
      ]
    ),
    ("max-levels", ["max_categories", "max_cat_to_onehot"]),
    ("missing", ["impute", "imputer", "fillna", "na", "na_action", "handle_missing"]),
    ("header", ["has_header"]),
    ("separator", ["sep", "delimiter", "delim", "field_separator"]),
    ("target-scale", ["scale_target", "standardize_target", "normalize_target"]),
    (
      "validation",
      [
        "validation_data", "val_data", "val", "valid", "test_data", "eval_data", "validation_file",
        "test",
      ]
    ),
    (
      "validation-split",
      ["val_split", "valid_split", "test_size", "test_split", "validation_fraction", "holdout"]
    ),
    ("batch", ["batch_size", "bs", "mini_batch", "mini_batch_size", "global_batch_size"]),
    ("epochs", ["num_epochs", "n_epochs", "max_epochs", "num_train_epochs"]),
    (
      "steps",
      ["max_iter", "max_steps", "iterations", "num_iterations", "num_steps", "total_steps"]
    ),
    ("seed", ["random_state", "random_seed", "manual_seed"]),
    (
      "layers",
      [
        "hidden", "hidden_layers", "hidden_layer_sizes", "units", "hidden_units", "hidden_size",
        "n_hidden",
      ]
    ),
    ("activation", ["act", "act_fn", "activation_fn", "nonlinearity"]),
    ("loss", ["criterion", "objective", "loss_fn", "loss_function"]),
    ("huber-delta", ["delta", "huber_slope"]),
    ("quantile", ["tau", "quantile_alpha"]),
    ("label-smoothing", ["smoothing", "label_smoothing_factor"]),
    ("norm", ["norm_layer", "norm_type", "layer_norm", "use_layer_norm"]),
    ("batch-norm", ["batchnorm", "use_batch_norm", "use_bn", "bn"]),
    (
      "residual", ["skip", "skip_connection", "skip_connections", "residual_connections", "resnet"]
    ),
    ("dropout", ["dropout_rate", "dropout_prob", "p_dropout", "drop_rate", "hidden_dropout"]),
    ("input-dropout", ["input_dropout_rate", "dropout_input", "input_dropout_ratio"]),
    (
      "class-weight",
      ["class_weights", "pos_weight", "scale_pos_weight", "auto_class_weights"]
    ),
    ("optimizer", ["optim", "opt", "solver"]),
    ("learning-rate", ["lr", "learning_rate_init", "alpha", "eta", "base_lr"]),
    ("weight-decay", ["wd", "l2", "decay"]),
    ("schedule", ["lr_schedule", "scheduler", "lr_scheduler", "lr_scheduler_type"]),
    ("warmup-steps", ["warmup", "warmup_iters", "num_warmup_steps"]),
    ("decay-every", ["step_size"]),
    ("decay-factor", ["gamma", "lr_decay", "decay_rate"]),
    ("rho", ["rmsprop_alpha", "rmsprop_decay", "smoothing_constant", "square_avg_decay"]),
    (
      "trust-coefficient",
      ["trust_coef", "lars_coefficient", "lars_coef", "eeta", "lars_eta"]
    ),
    ("max-norm", ["max_weight_norm", "kernel_constraint", "weight_constraint"]),
    (
      "clip-norm",
      ["grad_clip", "gradient_clip_val", "max_grad_norm", "clip_grad_norm", "clipnorm"]
    ),
    (
      "run",
      [
        "output", "output_dir", "log_dir", "save_dir", "checkpoint_dir", "out_dir",
        "run_dir",
      ]
    ),
    ("overwrite", ["force"]),
    ("resume", ["load", "checkpoint", "restore", "resume_from_checkpoint", "ckpt_path"]),
    ("checkpoint-every", ["save_every", "save_steps", "checkpoint_freq", "save_freq"]),
    ("evaluate-every", ["eval_every", "check_val_every_n_epoch"]),
    (
      "patience",
      [
        "early_stopping", "early_stop", "early_stopping_rounds", "early_stopping_patience",
        "n_iter_no_change",
      ]
    ),
    (
      "monitor",
      ["metric_for_best_model", "save_best_only", "restore_best_weights", "load_best_model_at_end"]
    ),
    ("min-delta", ["tol", "early_stopping_threshold"]),
    ("plateau-patience", ["lr_patience", "reduce_lr_patience"]),
    ("metrics", ["metric", "eval_metric", "scoring", "score", "metric_name"]),
    ("log-every", ["log_interval", "log_freq", "logging_steps", "log_every_n_steps"]),
  ]

  /// What other libraries have and this program does not: the reason, and their names for it.
  package static let missing: [(reason: String, names: [String])] = [
    (
      "the launcher sets the number of ranks: launch/run -n N",
      [
        "num_workers", "workers", "nproc", "nproc_per_node", "np", "num_proc", "world_size",
        "gpus", "num_gpus", "devices", "n_jobs", "n", "ranks", "num_ranks",
      ]
    ),
    (
      "training runs on CPUs only",
      ["device", "gpu", "cuda", "no_cuda", "use_cuda", "use_gpu", "accelerator"]
    ),
    (
      "batch norm normalizes the inputs of each layer",
      ["normalize", "standardize", "scale", "scaler", "normalization", "standardization"]
    ),
    (
      "an index column without a name is left out by itself; others with --ignore",
      ["index_col", "index", "id_column", "id"]
    ),
    (
      "mixed precision is not supported yet",
      ["amp", "use_amp", "fp16", "bf16", "precision", "mixed_precision"]
    ),
  ]

  /// The hint for an unknown option, or nil if nothing similar is known.
  ///
  /// - Parameters:
  ///   - word: the option, without dashes in front.
  ///   - names: the options that exist.
  ///   - dashes: what precedes the name of an option.
  package static func hint(_ word: String, among names: [String], dashes: String = "") -> String? {
    guard word.utf8.count <= 64 else { return nil }
    let folded = folded(word)
    let isWord = { (name: String) in Self.folded(name) == folded }
    let synonym = synonyms.first { names.contains($0.option) && $0.names.contains(where: isWord) }
    if let option = names.first(where: isWord) ?? synonym?.option {
      return "did you mean \(dashes)\(option)?"
    }
    if let missing = missing.first(where: { $0.names.contains(where: isWord) }) {
      return missing.reason
    }
    return nearest(to: word, among: names).map { "did you mean \(dashes)\($0)?" }
  }

  private static func folded(_ name: String) -> String {
    name.lowercased().filter { $0 != "-" && $0 != "_" }
  }

  /// The name that is most similar to a word, or nil if none is similar enough to have been meant.
  private static func nearest(to word: String, among names: [String]) -> String? {
    let bytes = { (text: String) in Array(text.lowercased().replacing("_", with: "-").utf8) }
    let distances = names.map { ($0, editDistance(bytes(word), bytes($0))) }
    let length = word.utf8.count
    guard let best = distances.min(by: { $0.1 < $1.1 }),
      best.1 <= max(min(2, length / 2), length / 3)
    else { return nil }
    return best.0
  }

  /// The number of bytes to insert, delete or substitute (Levenshtein 1966), row by row.
  private static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let substituted = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
