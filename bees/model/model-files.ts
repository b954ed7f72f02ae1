import { readFile, stat } from 'node:fs/promises'
import { labelsOfJson, labelsOfLines } from '../../topology/swarm/check/label-text.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeContext, FetchWish, ResolvedKind } from '../define-bee.ts'

/** The part of a model bee's spec that names files. */
interface FileSpec {
  readonly model?: string
  readonly labels?: readonly string[] | string
  readonly sha256?: string
}

type Log = BeeContext<never>['log']

/**
 * The context with the files that its spec names: `resolve` fetches a model from elsewhere, and `labels` contains the labels of the file. Throws the
 * errors of `resolve`, and WAGGLE_MODEL_INVALID for a file without labels.
 */
export async function withModelFiles<
  S extends FileSpec,
  C extends { readonly spec: S; readonly resolve: BeeContext<S>['resolve']; readonly log?: Log },
>(context: C): Promise<Omit<C, 'spec'> & { readonly spec: Omit<C['spec'], 'labels' | 'sha256'> & { readonly labels?: readonly string[] } }> {
  const { labels, sha256, ...spec } = context.spec
  const log = context.log ?? (() => {})
  const fetch = { log, ...(sha256 === undefined ? {} : { sha256 }) }
  const resolve = (uri: string, kind?: ResolvedKind, wish?: FetchWish) =>
    context.resolve(uri, kind, uri === spec.model ? { ...fetch, ...wish } : wish)
  const names = typeof labels === 'string' ? await labelsIn(labels, await context.resolve(labels, 'file', { log })) : labels
  return { ...context, resolve, spec: { ...spec, ...(names === undefined ? {} : { labels: names }) } }
}

async function labelsIn(address: string, path: string): Promise<readonly string[]> {
  const { size } = await stat(path)
  if (size > maxLabelBytes) throw noLabels(address, `it has more than ${maxLabelBytes} bytes`)
  const text = await readFile(path, 'utf8')
  const isJson = path.endsWith('.json')
  const names = isJson ? labelsOfJson(text) : labelsOfLines(text)
  if (names === null) throw noLabels(address, isJson ? 'it is not a JSON list of strings' : 'it is empty, or a line in it is')
  return names
}

function noLabels(address: string, why: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_INVALID', {
    message: `${shownAddress(address)} names no labels: ${why}`,
    next: 'Write one label on each line, or a list in a .json file, in the order of the scores.',
  })
}

const maxLabelBytes = 4 * 1024 * 1024
