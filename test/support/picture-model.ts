import { onnxModel } from '../../ops/bench/small-model.ts'

/** An ONNX model that returns its picture: `image` [N, …shape] is the input, `pixels` the output. */
export function pictureModel(shape: readonly number[], datatype: 'FP32' | 'UINT8' = 'FP32'): Uint8Array {
  const dim = [{ dimParam: 'N' }, ...shape.map((size, at) => (size === -1 ? { dimParam: `side${at}` } : { dimValue: size }))]
  const value = (name: string) => ({ name, type: { tensorType: { elemType: datatype === 'FP32' ? 1 : 2, shape: { dim } } } })
  return onnxModel({
    name: 'picture',
    node: [{ input: ['image'], output: ['pixels'], opType: 'Identity' }],
    input: [value('image')],
    output: [value('pixels')],
  })
}
