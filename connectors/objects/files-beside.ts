/** Names of files that belong to a model's file and lie beside it: its labels, and the weights that an ONNX file may keep apart. */
export function filesBeside(name: string): readonly string[] {
  const [, stem = '', ending = ''] = /^(.+)\.(onnx|pb)$/.exec(name) ?? []
  if (ending === '') return []
  const labels = [`${stem}.labels.txt`, `${stem}.labels.json`]
  return ending === 'onnx' ? [...labels, `${name}.data`, `${name}_data`] : labels
}
