const normalised = ['y', 'batch_mean', 'batch_variance', 'reserve_space_1', 'reserve_space_2', 'reserve_space_3']

/**
 * For each operator with several outputs, the names of its outputs in order. A function refers to an output by its name, and a graph refers to it by
 * its index.
 */
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
