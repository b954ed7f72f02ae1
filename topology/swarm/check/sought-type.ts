/**
 * Advice for a word that is not a bee type but names a format, a library or a language: a sentence with the bee type to use. Empty for any other
 * word.
 */
export function soughtType(word: string): string {
  const found = sought.find(({ words }) => words.includes(word.toLowerCase().replaceAll('_', '-')))
  return found === undefined ? '' : found.advice
}

const sought: readonly { readonly words: readonly string[]; readonly advice: string }[] = [
  { words: ['onnx', 'onnxruntime', 'ort', 'tensorrt', 'trt'], advice: 'tensor-rt runs ONNX models.' },
  {
    words: ['pytorch', 'torch', 'sklearn', 'scikit', 'scikit-learn', 'joblib', 'pickle', 'xgboost', 'lightgbm', 'catboost', 'model'],
    advice: 'Export the model to ONNX (docs/models.md): tensor-rt runs it.',
  },
  {
    words: ['tensorflow', 'tf', 'keras', 'savedmodel', 'saved-model'],
    advice: 'tf-serving runs a SavedModel, to which Keras exports (docs/models.md).',
  },
  { words: ['function', 'typescript', 'javascript', 'ts', 'js', 'node', 'code'], advice: 'module runs TypeScript and JavaScript.' },
  { words: ['py', 'notebook', 'jupyter'], advice: 'python runs a Python file or a notebook.' },
  {
    words: ['docker', 'image', 'command', 'process', 'program', 'script'],
    advice: 'container runs a program in any language (bees/PROTOCOL.md).',
  },
  { words: ['http', 'http-input', 'gateway', 'input', 'entrance'], advice: 'gateway-input is an entrance for HTTP requests.' },
  { words: ['response', 'reply', 'answer', 'output'], advice: 'respond answers the caller.' },
  { words: ['clickhouse', 'database', 'table', 'sink'], advice: 'save-to-database writes to ClickHouse.' },
  { words: ['kafka', 'topic'], advice: 'kafka-input reads a topic, and kafka-output writes to one.' },
  { words: ['ensemble', 'average', 'vote', 'voting'], advice: 'weighted-average-ensemble averages the scores of several models.' },
]
