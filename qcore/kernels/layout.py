"""Layout of a network's state: the columns of the layer table, and the registers.

All arrays of a network live in a handful of flat arrays, one per dtype. The table says, per layer,
where its arrays start and what shape they have, so that one compiled engine runs every network.
"""

from __future__ import annotations

# Columns of the layer table, int64[layers, LAYER_COLUMNS].
(
    KIND,  # CONV or DENSE
    IN_ROWS,
    IN_COLUMNS,
    IN_CHANNELS,
    KERNEL_Y,
    KERNEL_X,
    STRIDE,
    PAD_Y,
    PAD_X,
    ROWS,
    COLUMNS,
    CHANNELS,  # neurons, before pooling
    POOL,
    OUT_ROWS,
    OUT_COLUMNS,  # after pooling
    EXPONENT,
    RESET,
    SLOPE,
    RAIL,
    AT_INPUT,  # int8: input map (rows, columns, channels)
    AT_WEIGHTS,  # int8
    AT_FIRED,  # int8: before pooling
    AT_ACTIVATION,  # int8: before pooling
    AT_OUTPUT,  # int8: after pooling (AT_FIRED without)
    AT_OUT_ACTIVATION,  # int8: after pooling
    AT_DELTA,  # int8: before pooling
    AT_OUT_DELTA,  # int8: after pooling
    AT_G,  # int8[classes, units]
    AT_DRIVE,  # int16
    AT_STORE,  # int16; -1 where the rest alone is kept
    AT_Q,
    AT_P,  # int16: traces of the input map
    AT_U,
    AT_V,
    AT_R,  # int32; or -1
    AT_TABLE,  # int32[8, channels]
    AT_GRADIENT,  # int32; -1 where gradients are kept as pairs
    AT_BIAS_GRADIENT,  # int32[channels]
    AT_COUNT,  # int32[channels]: output spikes since thresholds were last adapted
    AT_MEAN,  # int32[classes]: slow mean of the local readout, times 16
    PLASTIC,  # 1 if it learns locally
    STORE_RAIL,
    USED_SHIFT,
    LEARN_TARGET,
    ERROR_SHIFT,  # below 0: -1 less the shift of the errors that the next layer carries back
    ERROR_RAIL,
    DEAD_ZONE,
    DELTA_SHIFT,
    STEP,  # how far a channel's largest gradient moves its weight, in 2**-(4 + STEP_BITS) LSBs
    BIAS_STEP,
    KICK,
    FAST,
    SLOW,
    TRACE_SHIFT,
    RATE_LOW,
    RATE_HIGH,  # target range of output activity, in 1/65536 spikes per unit and tick
    READ,  # 1 if its output feeds the trained readout
    AT_FEATURES,  # int16: start inside the feature block
    # State that is not an array.
    LIVE,  # 1 while the last tick changed the layer's state
    TRACE_LIVE,
    FEATURE_LIVE,
    # Counters.
    SPIKES,
    SPIKES_REPORTED,
    SYNAPTIC_OPERATIONS,
    NEURON_UPDATES,
    UPDATES,
    # Settings again.
    POOL_KIND,  # POOL_OR or POOL_SUM
    COARSE_BITS,  # bits of the refractory trace, in parts of its kick; 0: the full 24-bit state
    Q_RAIL,
    P_LIFT,  # P's unit is 2**-P_LIFT of Q's: P follows Q << P_LIFT
    LEAK_U,
    LEAK_V,  # the layer's decays as powers of two, or -1 where they are not or differ
    ROUNDED,  # 1 if weights are the store rounded to the nearest, 0 if it is rounded down
    STEP_BITS,  # bits of STEP below a sixteenth of a store LSB
    DELTA_CUT,  # bits by which deltas are narrower than 8
    ERROR_LARGEST,
    DELTA_LARGEST,  # 1 if errors, deltas are divided by their largest
    GRADIENT_KIND,  # BY_TENSOR, WITH_MEAN, both added, or 0
    SIGMOID_BITS,  # bits of activations that follow a sigmoid; 0: linear ones
    AT_FEEDBACK,  # int8[classes, units]; 0: the readout serves as feedback; -1: the trained one
    AT_BIAS_STORE,  # int16[channels]; 0: biases stay as they are, or move by BIAS_STEP
    BIAS_EXPONENT,  # learned biases are weights times 2 to this power
    ANSWERS,  # 1 if the network's scores are its local readout
    NEWS,  # 1 inside a tick in which the state of a layer that answers has changed
    R_NEAREST,  # 1 if the refractory trace is rounded to the nearest, 0 if down
    OWN_KICK,  # 1 if a spike's part of the refractory trace is not the threshold
    DYNAMICS,  # CURRENTS, TRACES or GENERAL; the next five columns are for TRACES only
    DECAY_Q,
    DECAY_P,
    P_RAIL,
    SUM_LIFT,  # left shift from the sums of traces times weights to the neuron's unit
    STALE,  # 1 inside a call, until the sums were computed anew
    PAIRS,  # gradients kept as pairs since the last step
    AT_SMALL_R,  # int8: refractory values that fit, in place of AT_R; or 0
    AT_REST,  # int8: the store less the weights in use, in place of AT_STORE; or 0
    AT_PAIR_TRACES,  # int8[most pairs, inputs]: their traces; their errors are at AT_DELTA
) = range(96)
LAYER_COLUMNS = 96

# Further columns of a network that has a layer of the dynamics GENERAL; others have none.
(
    STRIDE_X,
    DILATION_Y,
    DILATION_X,
    GROUPS,
    DELAY,  # ticks by which all input spikes act later
    RING_SLOTS,  # ticks of drive that are kept: 1 + DELAY + the longest delay of a synapse
    AT_RING,  # int32[RING_SLOTS, neurons]: drive of the ticks to come
    AT_PENDING,  # int32[1]: ticks to come that may have drive
    DELAYS_BY,  # NO_DELAYS, BY_SYNAPSE or BY_INPUT
    AT_DELAYS,  # int8: synapses' or inputs' own delays; 0 without
    AT_RECURRENT,  # int8[neurons, neurons]; 0 without
    AT_BACK,  # int32[neurons]: recurrent drive of the next tick; 0 without
    BACK_EXPONENT,
    AT_NEURON_BIAS,  # int32[neurons]; 0 without
    REACHED,  # 1 if neurons fire at their threshold, 0 if above
    MOST_SPIKES,
    RESET_LATE,
    RESET_EVERY,
    RESET_AT,
    FIRES,  # 0 if the layer answers
    BIAS_TO_CURRENT,  # 1 if biases are added to currents, 0 if to membranes
    FINE_DECAY,  # bits of decays beyond 12; 0 in older files
) = range(96, 118)
GENERAL_COLUMNS = 128

# Further columns of a network that has a temporal layer, used in the first row; others have none.
(
    T_UNITS,
    T_DELAYS,  # number of delays
    T_LAYER,  # the layer whose features it takes
    T_INPUTS,  # their number
    T_EVERY,  # ticks between two places of the ring
    T_PLACES,
    T_LONGEST,  # the longest delay
    T_PLASTIC,
    T_SLOPE,
    T_SHIFT,
    T_LIVE_SHIFT,  # bits by which live steps are smaller
    T_PERIOD,
    T_LOW,
    T_HIGH,  # target range of activity, in 1/65536 per lesson
    AT_T_RING,  # int8[places, bytes]: inputs of past ticks, one bit each
    AT_T_SLOTS,  # int8[classes, slots, delays, bytes]: inputs of what is rehearsed
    AT_T_STORE,  # int16[delays * inputs, units]: stored weights
    AT_T_READ,  # int16[classes, units]: the readout of the units
    AT_T_DELAY,  # int32[delays]
    AT_T_THRESHOLD,  # int32[units]
    AT_T_COUNT,  # int32[units + 2]: lessons in which units were active, lessons, periods
    # State and counters.
    T_LIVE,  # ticks until all places of the ring are alike, if no feature changes
    T_OPERATIONS,
    T_UPDATES,
) = range(128, 152)
TEMPORAL_COLUMNS = 160

# Further columns of a network whose class means answer, in the first row; others have none.
(
    M_SIZE,  # length to which features are folded
    M_RIDGE_SHIFT,
    M_DOUBT,  # 128ths of the examples' covariance that lie between lessons
    M_SWEEPS,
    M_GAIN,  # 256ths of the readout's scores that are added
    AT_M_MOMENT,  # int16[size * (size + 1) / 2]
    AT_M_SUMS,  # int32[classes, size]
    AT_M_WEIGHTS,  # int32[classes, size]
    AT_M_COUNTS,  # int32[classes, 3]: examples, lessons, what is taken off the score
    AT_M_STATE,  # int32[8]: see kernels.answers
    # State.
    M_SINCE,  # LABEL_SINCE of the lesson that was counted last
) = range(160, 171)
PROTOTYPE_COLUMNS = 176

CONV, DENSE = 0, 1
CURRENTS, TRACES, GENERAL = 0, 1, 2
NO_DELAYS, BY_SYNAPSE, BY_INPUT = 0, 1, 2
BY_TENSOR, WITH_MEAN = 1, 2  # kinds of gradients; 0: by output channel, its mean taken off
POOL_OR, POOL_SUM = 0, 1

# Registers of the network, int64[REGISTERS].
(
    TICK,
    LABEL_SINCE,  # tick at which the present label began
    LABEL,
    LEARNING,
    RESULT_EVERY,
    CADENCE,
    BURN_IN,
    APPLY_EVERY,
    PENDING,
    CLASSES,
    FEATURES,
    AT_FEATURE,
    AT_NORMAL,  # int16
    AT_READ_STORE,  # int16[classes, features]
    AT_SLOTS,  # int8[classes, slots, ceil(features / 8)]
    SLOTS,
    REPLAYS,
    FEATURE_KICK,
    FEATURE_SLOW,
    READ_TARGET,
    READ_SHIFT,
    READ_DEAD_ZONE,
    READ_EVERY,
    EVENTS,
    MERGED,
    READ_UPDATES,
    TICKS_RUN,
    TICKS_SKIPPED,
    CHANGED,  # 1 if spikes or features changed since the last result row
    PERIOD,
    PERIODS,
    PERIOD_TICKS,  # regulation: its length, how many so far, active ticks in this one
    LEARN_LAYERS,  # 1 if layers may learn, 0 if only the readout does
    LOCAL_GAIN,  # of the local readouts from layer LOCAL_GAIN >> 16 on: its lower 16 bits
    BATCHED,  # 1 where recordings are shown side by side; 0 in a network and its file
    COMPACT,  # 1 if some layer keeps gradients as pairs, and rests of its store; 0 in older files
    OWN_CLASSES,  # classes for which the last layer answers
    INPUT_MOST,  # the most spikes of a place and channel in a tick; 0: one
    GAIN,  # gain control: reference, rise << 32, fall << 40, most << 48; 0: none
    GAIN_MEAN,  # running mean of input spikes per tick, times 256; 0: none yet
) = range(40)
REGISTERS = 40

STATE_COLUMNS = frozenset(
    {
        LIVE,
        TRACE_LIVE,
        FEATURE_LIVE,
        SPIKES,
        SPIKES_REPORTED,
        SYNAPTIC_OPERATIONS,
        NEURON_UPDATES,
        UPDATES,
        STEP,
        PAIRS,
    }
)
"""Columns that change while a network runs; the others follow from its specification."""

TEMPORAL_STATE = frozenset({T_LIVE, T_OPERATIONS, T_UPDATES})
"""Those of the columns that only a network with a temporal layer has."""

PROTOTYPE_STATE = frozenset({M_SINCE})
"""Those of the columns that only a network with class means has."""


def state_columns(columns: int) -> frozenset[int]:
    """Return the columns that change in a table of so many columns."""
    if columns > TEMPORAL_COLUMNS:
        return STATE_COLUMNS | TEMPORAL_STATE | PROTOTYPE_STATE
    return STATE_COLUMNS | TEMPORAL_STATE if columns > GENERAL_COLUMNS else STATE_COLUMNS


STATE_REGISTERS = frozenset(
    {
        TICK,
        LABEL_SINCE,
        LABEL,
        LEARNING,
        PENDING,
        EVENTS,
        MERGED,
        READ_UPDATES,
        TICKS_RUN,
        TICKS_SKIPPED,
        CHANGED,
        PERIODS,
        PERIOD_TICKS,
        LEARN_LAYERS,
        READ_SHIFT,
        GAIN_MEAN,
    }
)
"""Registers that change while a network runs."""
