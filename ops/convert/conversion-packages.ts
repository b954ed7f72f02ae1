/** A kind of model that `convert.py` reads. */
export type ModelKind = keyof typeof packages

/** The Python packages that convert a model of this kind. A package in `others` replaces the default package of the same name. */
export function packagesOf(kind: ModelKind, others: readonly string[] = []): readonly string[] {
  const nameOf = (requirement: string) => /^[\w.-]+/.exec(requirement)?.[0].toLowerCase() ?? requirement
  const replaced = new Set(others.map(nameOf))
  return [...packages[kind].filter((requirement) => !replaced.has(nameOf(requirement))), ...others]
}

const classic = ['scikit-learn==1.9.1', 'skl2onnx==1.20.0', 'onnxmltools==1.16.0', 'xgboost-cpu==3.2.0', 'lightgbm==4.7.0', 'onnxruntime==1.32.0']
const deep = ['tensorflow-cpu==2.21.0', 'tf2onnx==1.17.0', 'onnxruntime==1.32.0']
const packages = { tensorflow: deep, frozen: deep, keras: deep, 'scikit-learn': classic, xgboost: classic, lightgbm: classic } as const
