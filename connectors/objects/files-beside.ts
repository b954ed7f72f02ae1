/** Names of files that may be beside a model file and belong to the model: its labels, and the separate weights of an ONNX file. */
export function filesBeside(name: string): readonly string[] {
  const [, stem = '', ending = ''] = /^(.+)\.(onnx|pb)$/.exec(name) ?? []
  if (ending === '') return []
  const labels = [`${stem}.labels.txt`, `${stem}.labels.json`]
  return ending === 'onnx' ? [...labels, `${name}.data`, `${name}_data`] : labels
}
