const normalised = ['y', 'batch_mean', 'batch_variance', 'reserve_space_1', 'reserve_space_2', 'reserve_space_3']

/** The names of outputs, in order, of operators with several outputs. A function refers to an output by name, a graph by its index. */
export const outputPlaces: ReadonlyMap<string, readonly string[]> = new Map([
  ['FusedBatchNorm', normalised],
  ['FusedBatchNormV2', normalised],
  ['FusedBatchNormV3', normalised],
  ['TopK', ['values', 'indices']],
  ['TopKV2', ['values', 'indices']],
  ['Unique', ['y', 'idx']],
  ['Switch', ['output_false', 'output_true']],
  ['Merge', ['output', 'value_index']],
  ['MaxPoolWithArgmax', ['output', 'argmax']],
  ['SoftmaxCrossEntropyWithLogits', ['loss', 'backprop']],
  ['SparseSoftmaxCrossEntropyWithLogits', ['loss', 'backprop']],
])
