import { type Operator, plainValue } from './node-translation.ts'
import { Untranslatable } from './untranslatable.ts'

/**
 * Translates NumPy's `x[2:, ..., None, -1]`. The dimensions after an ellipsis are counted from the end, so the rank need not be known. ONNX's `Slice`
 * cuts, then `Squeeze` removes the dimensions of single indexes, and then `Unsqueeze` adds the new dimensions.
 */
export const stridedSlice: Operator = (t) => {
  const [begin, end, strides] = [t.numbers(1), t.numbers(2), t.numbers(3)]
  const has = (mask: string, at: number) => ((t.integer(mask) >> at) & 1) === 1
  const items = begin.map((from, at): SliceItem => {
    if (has('ellipsis_mask', at)) return { kind: 'ellipsis' }
    if (has('new_axis_mask', at)) return { kind: 'new' }
    if (has('shrink_axis_mask', at)) return { kind: 'single', from }
    const step = strides[at] ?? 1
    const far = step > 0 ? farthest : -farthest
    return { kind: 'range', step, from: has('begin_mask', at) ? (step > 0 ? 0 : farthest) : from, to: has('end_mask', at) ? far : (end[at] ?? far) }
  })
  const ellipsis = items.findIndex(({ kind }) => kind === 'ellipsis')
  const dropped: number[] = []
  const added: number[] = []
  const cuts: { readonly from: number; readonly to: number; readonly axis: number; readonly step: number }[] = []
  items.forEach((item, at) => {
    const isAfter = ellipsis >= 0 && at > ellipsis
    const among = isAfter ? items.slice(at) : items.slice(0, at)
    const inputAxes = among.filter(({ kind }) => kind === 'range' || kind === 'single').length
    const outputAxes = among.filter(({ kind }) => kind === 'range' || kind === 'new').length
    const axis = isAfter ? -inputAxes : inputAxes
    if (item.kind === 'range') cuts.push({ ...item, axis })
    if (item.kind === 'single') {
      cuts.push({ from: item.from, to: item.from === -1 ? farthest : item.from + 1, axis, step: 1 })
      dropped.push(axis)
    }
    if (item.kind === 'new') added.push(isAfter ? -outputAxes : outputAxes)
  })
  if (new Set(items.filter(({ kind }) => kind === 'ellipsis')).size > 1) throw new Untranslatable('StridedSlice with two ellipses')
  const { dtype } = t.input(0)
  let name = t.plain(t.input(0))
  const real = cuts.filter(({ from, to, step }) => !(from === 0 && to === farthest && step === 1))
  const list = (key: 'from' | 'to' | 'axis' | 'step') => t.ints(real.map((cut) => cut[key]))
  if (real.length > 0) name = t.emit('Slice', [name, list('from'), list('to'), list('axis'), list('step')])
  if (dropped.length > 0) name = t.emit('Squeeze', [name, t.ints(dropped)])
  if (added.length > 0) name = t.emit('Unsqueeze', [name, t.ints(added)])
  return plainValue(dtype, name)
}

type SliceItem =
  | { readonly kind: 'ellipsis' | 'new' }
  | { readonly kind: 'single'; readonly from: number }
  | { readonly kind: 'range'; readonly from: number; readonly to: number; readonly step: number }

/** An end past any dimension. ONNX stops at the dimension's end. */
const farthest = Number.MAX_SAFE_INTEGER
