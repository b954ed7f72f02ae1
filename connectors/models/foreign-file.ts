import { closeSync, openSync, readSync, statSync } from 'node:fs'
import type { ModelOptions } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * Throws WAGGLE_MODEL_INVALID for a file in the format of another program. The error tells how to export such a model. Only the beginning of the file
 * is read, and the end of an archive. A file in an unknown format passes, and the library that opens it decides whether it is a model.
 */
export function refuseForeignFile(path: string, runtime: ModelOptions['runtime']): void {
  const { size } = regularFile(path)
  const head = partOf(path, 0, 256)
  const foreign = size === 0 ? emptyFile : foreignOf(path, head, () => partOf(path, Math.max(0, size - namesBytes), namesBytes), runtime)
  if (foreign === null) return
  throw new WaggleError('WAGGLE_MODEL_INVALID', { message: `${path} is ${foreign.is}`, next: foreign.next })
}

/** The error for a file that onnxruntime cannot load, although its beginning looks like an ONNX file. */
export function unreadableOnnx(path: string, cause: unknown): WaggleError {
  const said = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0] ?? ''
  // The library's message begins with a place in its own source code, which says nothing to a user.
  const why = said.replace(/^Load model from .*? failed:\s*(?:\/\S+:\d+ [^(]+\([^)]*\) )?/, '')
  const next = /external data|weights?.*file|No such file/i.test(why)
    ? 'Put the file of the weights, such as model.onnx.data, beside the model, or export it with external_data=False.'
    : 'Name an .onnx file that is whole, or export the model again (docs/models.md).'
  return new WaggleError('WAGGLE_MODEL_INVALID', { message: `${path} cannot be loaded as an ONNX model: ${why}`, next, cause })
}

interface Foreign {
  readonly is: string
  readonly next: string
}

function foreignOf(path: string, head: Buffer, tail: () => Buffer, runtime: ModelOptions['runtime']): Foreign | null {
  const known = beginnings.find(({ begins, at = 0 }) => head.subarray(at, at + begins.length).equals(begins))
  if (known !== undefined) return known
  if (head.subarray(0, zip.length).equals(zip)) return path.endsWith('.keras') ? keras : archiveOf(tail().toString('latin1'))
  const text = /^[\t\n\r\x20-\x7e]*$/.test(head.toString('latin1')) ? head.toString('latin1').trimStart() : ''
  if (text.startsWith('{')) return jsonOf(text)
  if (text.startsWith('<'))
    return { is: 'an HTML or XML page', next: 'See that the download of the model succeeded, and name the file of the model.' }
  const written = protobufOf(head)
  if (runtime === 'onnx' && (written === 'GraphDef' || written === 'SavedModel')) {
    const what = written === 'GraphDef' ? 'a graph of TensorFlow (.pb)' : 'the saved_model.pb of a TensorFlow SavedModel'
    return {
      is: `${what}, and not an ONNX file`,
      next: `Give the bee the type tf-serving, which runs ${written === 'GraphDef' ? 'it' : 'its folder'}.`,
    }
  }
  if (runtime === 'tensorflow' && written === 'ONNX')
    return { is: 'an ONNX file, and not a model of TensorFlow', next: 'Give the bee the type tensor-rt, which runs ONNX files.' }
  return null
}

/** Tells from the file names in a zip archive which program wrote the archive. `names` is the archive's directory. */
function archiveOf(names: string): Foreign {
  if (names.includes('model.weights.h5') && names.includes('config.json')) return keras
  if (/archive_format|serialized_exported_program/.test(names)) return torchProgram
  if (names.includes('data.pkl')) return torch
  if (names.includes('saved_model.pb'))
    return { is: 'a zip archive of a SavedModel', next: 'Unpack it, and name the folder with saved_model.pb to tf-serving.' }
  if (names.includes('.onnx')) return { is: 'a zip archive with an ONNX file', next: 'Unpack it, and name the .onnx file.' }
  if (names.includes('.npy')) return { is: 'arrays of NumPy (.npz), without the graph of a model', next: exportAgain }
  return { is: 'a zip archive', next: `Unpack it, and name the model in it. ${exportAgain}` }
}

function jsonOf(text: string): Foreign {
  if (/"(format|modelTopology|weightsManifest|generatedBy)"/.test(text))
    return { is: 'a model of TensorFlow.js', next: 'Name the SavedModel folder that it was converted from to tf-serving.' }
  return {
    is: 'JSON, as XGBoost and other libraries save models',
    next: 'Export the model to ONNX with onnxmltools, and name the .onnx file (docs/models.md).',
  }
}

/**
 * The protobuf message in a file, recognised by its first fields. ONNX begins with its version, which is above 1 since 2017. A SavedModel begins with
 * its version 1 and a `MetaGraphDef`. A GraphDef begins with a node that has a name. Null for any other file.
 */
function protobufOf(head: Buffer): 'ONNX' | 'SavedModel' | 'GraphDef' | null {
  const [first = 0, second = 0, third = 0] = head
  if (first === 0x08 && second === 1 && third === 0x12) return 'SavedModel'
  if (first === 0x08 && second > 1 && second < 0x80 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(third)) return 'ONNX'
  if (first !== 0x0a) return null
  // Skips the length of the node: every byte with the highest bit set, and the byte after these.
  let at = 1
  while (at < 6 && ((head[at] ?? 0) & 0x80) !== 0) at++
  return head[at + 1] === 0x0a ? 'GraphDef' : null
}

function regularFile(path: string): { readonly size: number } {
  const stats = statSync(path)
  if (stats.isFile()) return stats
  throw new WaggleError('WAGGLE_MODEL_INVALID', { message: `${path} is not a regular file`, next: 'Name the file of the model.' })
}

function partOf(path: string, start: number, bytes: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const part = Buffer.alloc(bytes)
    return part.subarray(0, readSync(file, part, 0, bytes, start))
  } finally {
    closeSync(file)
  }
}

const exportAgain = 'Export the model itself: docs/models.md says how from scikit-learn, PyTorch and Keras.'
const toOnnx =
  'Export the model in Python, with skl2onnx.to_onnx(model, example) for scikit-learn or torch.onnx.export(model, …) for PyTorch, and name the .onnx file (docs/models.md).'
const torchOnnx = 'Export the model in Python: torch.onnx.export(model, example, "model.onnx"), and name the .onnx file (docs/models.md).'
const emptyFile: Foreign = { is: 'empty', next: 'See that the export or the download of the model ended, and name the whole file.' }
const keras: Foreign = {
  is: 'a file of Keras, which only Python can read',
  next: 'Export the model in Python: keras.models.load_model("FILE").export("FOLDER", format="tf_saved_model"), and name the folder to tf-serving (docs/models.md).',
}
const torch: Foreign = { is: 'a file of PyTorch (torch.save or TorchScript), which only PyTorch can read', next: torchOnnx }
const torchProgram: Foreign = {
  is: 'a program of torch.export (.pt2), which only PyTorch can read',
  next: 'Export the model in Python: torch.onnx.export(torch.export.load("FILE"), dynamo=True).save("model.onnx"), and name the .onnx file (docs/models.md).',
}
const compressed: Foreign = { is: 'a compressed file, as joblib writes with compress', next: `Unpack it if a model is in it. ${toOnnx}` }

const zip = Buffer.from('PK\x03\x04')
/** The directory of a zip archive is at its end. This many bytes are enough for the names in the directory. */
const namesBytes = 64 * 1024

/** The first bytes of files in known formats. Longer beginnings come first. */
const beginnings: readonly (Foreign & { readonly begins: Buffer; readonly at?: number })[] = [
  { begins: Buffer.from('8002 8a0a 6cfc9c46f920 6aa85019'.replaceAll(' ', ''), 'hex'), ...torch },
  ...[2, 3, 4, 5].map((protocol) => ({
    begins: Buffer.from([0x80, protocol]),
    is: 'a pickle of Python, as joblib and pickle write, which only Python can read',
    next: toOnnx,
  })),
  { begins: Buffer.from('\x89HDF', 'latin1'), ...keras },
  ...['1f8b', '789c', '785e', '78da', '7801', '425a68', 'fd377a58', '04224d18', '28b52ffd'].map((hex) => ({
    begins: Buffer.from(hex, 'hex'),
    ...compressed,
  })),
  {
    begins: Buffer.from('TFL3'),
    at: 4,
    is: 'a model of TensorFlow Lite',
    next: 'Convert it in Python: python -m tf2onnx.convert --tflite FILE --output model.onnx, and name the .onnx file to tensor-rt.',
  },
  { begins: Buffer.from('ORTM'), at: 4, is: 'a model in the ORT format', next: 'Name the .onnx file that it was made from.' },
  {
    begins: Buffer.from('ftrt'),
    is: 'an engine that TensorRT built for one GPU',
    next: 'Name the .onnx file that it was built from: with `gpu: 1` tensor-rt builds the engine itself.',
  },
  { begins: Buffer.from('GGUF'), is: 'a language model for llama.cpp (GGUF)', next: 'Run the model in a container bee (bees/PROTOCOL.md).' },
  { begins: Buffer.from('{"'), at: 8, is: 'weights in safetensors, without the graph of a model', next: torchOnnx },
  { begins: Buffer.from('\x93NUMPY', 'latin1'), is: 'an array of NumPy (.npy), without the graph of a model', next: exportAgain },
  { begins: Buffer.from('version https://git-lfs'), is: 'a pointer of Git LFS, and not the file itself', next: 'Get the file: git lfs pull.' },
  {
    begins: Buffer.from('tree\nversion='),
    is: 'a model of LightGBM',
    next: 'Export the model to ONNX with onnxmltools, and name the .onnx file (docs/models.md).',
  },
  {
    begins: Buffer.from('CBM1'),
    is: 'a model of CatBoost',
    next: 'Export the model in Python: model.save_model("model.onnx", format="onnx"), and name the .onnx file.',
  },
  {
    begins: Buffer.from('{L\0\0'),
    is: 'a model of XGBoost (.ubj)',
    next: 'Export the model to ONNX with onnxmltools, and name the .onnx file (docs/models.md).',
  },
]
