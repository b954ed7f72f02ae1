import { existsSync, statSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type ModelKind, packagesOf } from '../convert/conversion-packages.ts'
import { ended, pythonEnvironment } from '../convert/python-environment.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'

export interface ConvertOptions {
  /** The path of the ONNX file. Default: the name of the model with `.onnx`, in the working directory. */
  readonly output?: string
  /** Packages to use in a different version or in addition, such as `scikit-learn==1.5.2`. */
  readonly with?: readonly string[]
  readonly json: boolean
}

/** The result of a conversion. */
interface Conversion {
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly shape: readonly number[] }[]
  /** The number of rows of the random input. */
  readonly rows: number
  readonly outputs: readonly { readonly name: string; readonly largest_difference: number; readonly range: number }[]
}

/**
 * `waggle models convert FILE`: writes a model of Keras, TensorFlow, scikit-learn, XGBoost or LightGBM as ONNX. Then it runs the model and the ONNX
 * file on the same random input, and prints the largest difference of each output. The exit status is 1 if a difference is more than 1e-4 of the
 * output's range.
 */
export async function convertModel(file: string, options: ConvertOptions): Promise<number> {
  const kind = kindOf(file)
  const output = resolve(options.output ?? `${basename(file, extname(file))}.onnx`)
  const python = await pythonEnvironment({
    packages: packagesOf(kind, options.with ?? []),
    say: (line) => process.stderr.write(`${terminalText(line)}\n`),
  })
  const making = `${output}.${process.pid}`
  try {
    const said = await ended(
      python,
      [join(import.meta.dirname, '..', 'convert', 'convert.py'), kind, resolve(file), making],
      'Correct what the message names. A pickled model needs the version of its library that wrote it: --with scikit-learn==VERSION.',
    )
    const conversion = conversionIn(said)
    await rename(making, output)
    process.stdout.write(options.json ? `${JSON.stringify({ onnx: output, ...conversion })}\n` : terminalText(textOf(output, conversion)))
    return conversion.outputs.every(isClose) ? exitStatus.done : exitStatus.wrongInput
  } finally {
    await rm(making, { force: true })
  }
}

/** The result of a conversion, from the last line that the converter prints. */
function conversionIn(said: string): Conversion {
  try {
    return JSON.parse(said.trim().split('\n').at(-1) ?? '') as Conversion
  } catch (cause) {
    throw new WaggleError('WAGGLE_MODEL_CONVERSION', {
      message: 'The converter gave no result that can be read',
      next: 'See that the model can be loaded in Python, and runs on random input.',
      cause,
    })
  }
}

/** The kind of a model, from its file. Throws WAGGLE_MODEL_CONVERSION for a file that does not exist or that no converter reads. */
function kindOf(file: string): ModelKind {
  if (!existsSync(file)) throw notConverted(`There is no model at ${file}`, 'Correct the path.')
  if (statSync(file).isDirectory()) {
    if (existsSync(join(file, 'saved_model.pb'))) return 'tensorflow'
    throw notConverted(`${file} has no saved_model.pb`, 'Name the folder of one version of a SavedModel, or a file.')
  }
  if (basename(file) === 'saved_model.pb') throw notConverted(`${file} is a part of a SavedModel`, `Name its folder, ${dirname(file)}.`)
  const kind = kinds.get(extname(file).toLowerCase())
  if (kind !== undefined) return kind
  throw notConverted(`${file} is of no kind that is converted`, `Name a SavedModel folder, or a file that ends in ${[...kinds.keys()].join(', ')}.`)
}

function textOf(output: string, { inputs, rows, outputs }: Conversion): string {
  const taken = inputs.map(({ name, type, shape }) => `${name} (${type} [${shape.join(', ')}])`).join(', ')
  const lines = outputs.map((one) => {
    const { name, largest_difference: difference, range } = one
    return `  ${name} differs by at most ${difference.toExponential(1)} in ${rows} random rows, where its values span ${range.toPrecision(3)}${isClose(one) ? '' : ': too much'}\n`
  })
  return `${output} takes ${taken}\n${lines.join('')}`
}

function isClose({ largest_difference: difference, range }: Conversion['outputs'][number]): boolean {
  return difference <= maxDifference * Math.max(range, Number.MIN_VALUE) || difference <= leastDifference
}

function notConverted(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_CONVERSION', { message, next })
}

const kinds: ReadonlyMap<string, ModelKind> = new Map([
  ['.pb', 'frozen'],
  ['.keras', 'keras'],
  ['.h5', 'keras'],
  ['.joblib', 'scikit-learn'],
  ['.pkl', 'scikit-learn'],
  ['.ubj', 'xgboost'],
  ['.json', 'xgboost'],
  ['.txt', 'lightgbm'],
])

/** The largest allowed difference, as a fraction of an output's range. Translated TensorFlow graphs have the same bound. */
const maxDifference = 1e-4
/** A smaller absolute difference is never a fault, because it is near the precision of FP32 for values near 1. */
const leastDifference = 1e-6
