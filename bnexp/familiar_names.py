"""What norms, models, optimisers, keys and options are called in PyTorch, Keras, timm and papers.

People bring these names. Spelling distance finds nothing close to `bn` or `lr`, and finds another
method, `batch_renorm`, for `batch_norm`; so this table is asked first. Its test checks that each
name on the left exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_ELSEWHERE = {
    # Norms
    "batch": "bn, batch_norm, BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormalization, "
    "BatchNormAct2d, bnorm",
    "batch with frozen: true": "FrozenBatchNorm2d, FrozenBN, frozen_batch, frozen_bn",
    "batch with normalization_batch_size: 16": "ghost, GhostBatchNorm, ghost_bn, ghost_norm",
    "sync_batch": "SyncBatchNorm, sync_bn, SyncBatchNormalization",
    "batch_renorm": "brn, BatchRenormalization, renorm",
    "group": "gn, group_norm, GroupNormalization, GroupNormAct",
    "layer": "ln, layer_norm, LayerNorm2d, LayerNormalization",
    "instance": "in, instance_norm, InstanceNorm1d, InstanceNorm2d, InstanceNormalization",
    "filter_response": "frn, FilterResponseNorm, FilterResponseNorm2d, filter_response_norm",
    "noisy_batch": "noisy_bn, noisy_batch_norm",
    "none": "no, off, identity, Identity, nn.Identity, no_norm, nonorm, without, false, null",
    # Models
    "cnn": "conv, convnet, simple_cnn, SimpleCNN, LeNet, Sequential, plain",
    "mlp": "fc, dense, linear, feedforward, fully_connected",
    "vgg": "vgg11, vgg13, vgg16, vgg19, vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn, vggnet",
    "resnet": "preact_resnet, PreActResNet18, cifar_resnet",
    **{f"resnet with depth: {n}": f"resnet{n}" for n in (20, 32, 44, 56, 110)},
    **{
        f"torchvision with architecture: {name}": name
        for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
    },
    # Optimisers and schedules
    "sgd": "momentum, sgdm, msgd, sgd_momentum, MomentumOptimizer",
    "sgd with nesterov: true": "nag, nesterov",
    "adamw": "adam, Adam, adam_w, amsgrad",
    "cosine": "cos, CosineAnnealingLR, CosineDecay, cosine_annealing, CosineLRScheduler",
    "step": "StepLR, MultiStepLR, multistep, multi_step, PiecewiseConstantDecay",
    "constant": "ConstantLR, fixed, none",
    # Datasets
    "cifar10": "cifar, cifar-10, CIFAR",
    "image_folder": "imagefolder, ImageFolder, folder, directory, images, imagenet",
    "shapes": "fake, FakeData, synthetic, toy, dummy, random",
    # Words for values
    "before_activation": "before, pre, before_relu, pre_relu, pre_activation, conv_bn_relu, "
    "bn_relu, norm_first",
    "after_activation": "after, post, after_relu, post_relu, post_activation, conv_relu_bn, "
    "relu_bn, norm_last",
    "global_avg_pool": "gap, avg_pool, avgpool, AdaptiveAvgPool2d, GlobalAveragePooling2D, "
    "global_average_pooling, global_pool, avg",
    "flatten": "flat, Flatten, fc",
    "relu": "ReLU6, rectifier",
    "silu": "swish",
    "leaky_relu": "lrelu, LeakyReLU",
    "avg": "average, mean, AvgPool2d, AveragePooling2D",
    "max": "maximum, MaxPool2d, MaxPooling2D",
    "random_crop": "crop, RandomCrop, RandomResizedCrop",
    "horizontal_flip": "flip, hflip, RandomHorizontalFlip, RandomFlip, random_flip",
    "he": "kaiming, kaiming_normal, kaiming_normal_, he_normal, msra",
    "xavier": "glorot, glorot_normal, xavier_normal, xavier_normal_, xavier_uniform",
    "normal": "gaussian, randn, RandomNormal, trunc_normal",
    "full_preactivation": "preact, preactivation, preactivated, v2",
    "original": "postact, v1",
    "bf16": "bfloat16, bf16-mixed, amp, mixed, fp16, float16, half, 16-mixed, 16",
    "fp32": "float, float32, full, single, 32, 32-true",
    "ema": "running, moving, moving_average, population, eval",
    "higher": "greater, larger, more, better, up, increase",
    "lower": "smaller, less, fewer, down, decrease",
    "equal": "same, equivalent, no_difference",
    "test/accuracy": "acc, accuracy, test_acc, top1, acc1, test_accuracy, test/acc",
    "val/accuracy": "val_acc, valid_acc, validation_accuracy, val/acc",
    "train/accuracy": "train_acc, training_accuracy, train/acc",
    "test/loss": "loss, error, test_loss",
    "val/loss": "val_loss, valid_loss, validation_loss",
    "train/loss": "train_loss, training_loss",
    # Keys
    "learning_rate": "lr, base_lr, init_lr, initial_lr, peak_lr, max_lr, eta, step_size, lrate",
    "weight_decay": "wd, l2, l2_reg, decay, weight_penalty, regularization",
    "momentum": "mom, mu, bn_momentum, sgd_momentum, decay, bn_decay",
    "batch_size": "bs, bsz, batch, batchsize, minibatch, mini_batch_size, train_batch_size",
    "normalization_batch_size": "ghost_batch_size, ghost_size, virtual_batch_size, gbs, vbs",
    "epochs": "epoch, num_epochs, n_epochs, max_epochs, total_epochs, ep",
    "seed": "random_seed, manual_seed, rng, rng_seed, random_state",
    "seeds": "num_seeds, n_seeds, repeats, repetitions, trials, runs",
    "eps": "epsilon, bn_eps, variance_epsilon",
    "affine": "elementwise_affine, scale, center, learnable, gamma, beta, use_scale",
    "track_running_stats": "running_stats, use_running_stats, track_stats",
    "num_groups": "groups, n_groups, gn_groups, g",
    "channels_per_group": "group_size, group_channels, channels",
    "norm": "norm_layer, normalization, normalisation, normalizer, norm_type, bn, batch_norm, "
    "use_bn, batchnorm, normalization_layer",
    "placement": "order, position, norm_position, bn_position, norm_order, where",
    "activation": "act, act_layer, activation_fn, nonlinearity, activation_function",
    "initialization": "init, initializer, weight_init, kernel_initializer, initialisation",
    "dropout": "drop, drop_rate, dropout_rate, drop_prob, p",
    "weight_standardization": "ws, weight_std, std_conv, StdConv2d",
    "kernel_size": "kernel, ksize, k, filter_size",
    "conv": "filters, out_channels, out_planes, num_filters, Conv2d, Conv2D",
    "pool": "pooling, maxpool, MaxPool2d",
    "stride": "strides, s, subsample",
    "hidden": "hidden_sizes, hidden_size, hidden_dims, units, hidden_layers, hidden_units",
    "bias": "use_bias",
    "head": "classifier, pooling, global_pool, top",
    "depth": "num_layers, n_layers, layers, n",
    "width": "width_multiplier, widen_factor, base_width, planes",
    "architecture": "arch, backbone, model_name, network, variant",
    "name": "type, kind, class, _target_, class_name",
    "root": "data_dir, data_root, data_path, path, dir, folder, dataset_path",
    "train_size": "num_train, n_train, subset, subset_size, train_subset, num_samples, limit",
    "val_size": "valid_size, validation_size, validation_split, val_split, num_val, n_val, holdout",
    "augment": "augmentation, augmentations, transform, transforms, aug, data_augmentation",
    "schedule": "scheduler, lr_scheduler, lr_schedule, sched, learning_rate_schedule",
    "warmup_epochs": "warmup, warm_up, warmup_epoch, num_warmup_epochs",
    "milestones": "steps, step_epochs, boundaries",
    "gamma": "lr_gamma, decay_rate, lr_decay, factor, drop_factor",
    "nesterov": "use_nesterov",
    "beta1": "beta_1, betas, b1",
    "beta2": "beta_2, b2",
    "device": "gpu, cuda, accelerator, gpus, devices",
    "precision": "amp, mixed_precision, dtype, fp16, half",
    "compile": "torch_compile, torchcompile, jit",
    "threads": "num_threads, n_threads, cpu_threads, num_workers, workers",
    "log_every": "log_interval, print_freq, log_every_n_steps, log_freq, print_every",
    "checkpoint_every": "save_every, save_freq, checkpoint_interval, save_interval, save_steps",
    "population_statistics": "statistics, bn_statistics, eval_statistics, stats",
    "data": "dataset, datasets, dataloader",
    "model": "net, network, backbone, architecture, arch",
    "optim": "optimizer, optimiser, opt, optimization",
    "train": "training, trainer, fit",
    "evaluate": "eval, evaluation, validation",
    "sweep": "search, hyperparameters, sweeps, variants, parameters",
    "claim": "hypothesis, hypotheses, prediction, claims",
    "grid": "grid_search, product, combinations",
    # Options
    "--runs-dir": "--output, --output-dir, --out, -o, --out-dir, --logdir, --log-dir, --save-dir, "
    "--work-dir, --results-dir, --run-dir",
    "--device": "--gpu, --gpus, --cuda, --accelerator",
    "--jobs": "--workers, --num-workers, --parallel, --processes, --nproc, -n",
    "--force": "--overwrite, --restart, --from-scratch, --rerun, -f",
    "--resume-anyway": "--resume, --continue",
    "--dry-run": "--check, --validate, --plan",
    "--set": "--override, --overrides, --cfg-options, --opts, --param",
    "--yes": "-y, --force, -f, --no-input, --assume-yes",
    "--plots": "--plot, --figures, --fig, --save-plots",
    "--cell": "--variant, --run",
}


def _normalize(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


_OURS: dict[str, list[str]] = {}
"""What each familiar word may stand for, without its case and punctuation."""
for _name, _words in _ELSEWHERE.items():
    for _word in {*map(_normalize, _words.split(", ")), _normalize(_name)}:
        _OURS.setdefault(_word, []).append(_name)


def find_ours(word: str, known: Sequence[str]) -> Iterator[str]:
    """Yields the names in `known` that a familiar word stands for, with options if it needs any.

    E.g. `learning_rate` for `lr`, and `resnet with depth: 20` for `ResNet20`.
    """
    for name in _OURS.get(_normalize(word), ()):
        if name.partition(" with ")[0] in known:
            yield name


def all_names() -> list[str]:
    """Returns every name of ours in the table, without options."""
    return list(dict.fromkeys(name.partition(" with ")[0] for name in _ELSEWHERE))
