/** The reason why a graph, or one of its nodes, has no equal in ONNX: the end of a sentence. */
export class Untranslatable extends Error {}
