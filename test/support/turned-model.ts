import { onnxModel } from '../../ops/bench/small-model.ts'

/** The small model with four features and two labels, with its labels in the reverse order. */
export function turnedModel(): Uint8Array {
  const weights = Buffer.from(Float32Array.of(0, 1, 0, 1, 1, 0, 1, 0).buffer)
  const value = (name: string, width: number) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'N' }, { dimValue: width }] } } },
  })
  return onnxModel({
    name: 'turned',
    node: [
      { input: ['input', 'weights'], output: ['logits'], opType: 'MatMul' },
      { input: ['logits'], output: ['probabilities'], opType: 'Softmax' },
    ],
    initializer: [{ name: 'weights', dims: [4, 2], dataType: 1, rawData: weights }],
    input: [value('input', 4)],
    output: [value('probabilities', 2)],
  })
}
