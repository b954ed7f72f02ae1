import { type NodeTranslation, type Operator, plainValue } from './node-translation.ts'

function product(first: string, second: string): Operator {
  return (t) => {
    const names = [first, second].map((flag, at) => (t.flag(flag) ? turned(t, t.plain(t.input(at))) : t.plain(t.input(at))))
    return plainValue(t.input(0).dtype, t.emit('MatMul', names))
  }
}

/** Exchanges the last two dimensions, for any rank. */
function turned(t: NodeTranslation, name: string): string {
  return t.emit('Einsum', [name], { equation: '...ij->...ji' })
}

/** Products of matrices. */
export const matrixOperators: { readonly [op: string]: Operator } = {
  BatchMatMul: product('adj_x', 'adj_y'),
  BatchMatMulV2: product('adj_x', 'adj_y'),
  BatchMatMulV3: product('adj_x', 'adj_y'),
  Einsum: (t) =>
    plainValue(
      t.input(0).dtype,
      t.emit(
        'Einsum',
        t.inputs.map((value) => t.plain(value)),
        { equation: t.text('equation') },
      ),
    ),
  MatMul: product('transpose_a', 'transpose_b'),
}
