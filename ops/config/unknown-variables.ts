import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { settings } from './settings.ts'

/** A warning for each WAGGLE_ variable in the environment that Waggle does not know, with the most similar name that it knows. */
export function unknownVariables(env: { readonly [variable: string]: string | undefined }): readonly string[] {
  const known = settings.map(({ variable }) => variable).filter((variable) => variable.startsWith(prefix))
  return Object.keys(env)
    .filter((variable) => variable.startsWith(prefix) && !variable.startsWith(secretPrefix) && !known.includes(variable))
    .sort()
    .map((variable) => `${variable} is not a setting; ${hintFor(variable, known) || '`waggle run --help` lists every setting.'}`)
}

/** Compares names without their common prefix, which would make all of them similar. */
function hintFor(variable: string, known: readonly string[]): string {
  const own = variable.slice(prefix.length)
  const [first = '', ...rest] = own.split('_')
  const asSecret = rest.length === 0 ? [] : [`${secretPrefix}${rest.join('_')}`]
  const candidates = [...known, ...(didYouMean(first, ['SECRET']) === '' ? [] : asSecret)].map((name) => name.slice(prefix.length))
  return didYouMean(own, candidates).replace('mean ', `mean ${prefix}`)
}

const prefix = 'WAGGLE_'
const secretPrefix = 'WAGGLE_SECRET_'
