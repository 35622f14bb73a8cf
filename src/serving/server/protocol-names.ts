/** Names of the input and the output of every model, as in this project's data files. */
export const INPUT = 'x';
export const OUTPUT = 'y';
/** A further output of models that predict classes: their names. */
export const LABEL = 'label';
/** Header that says how much of a body is JSON, where a tensor's bytes follow it. */
export const JSON_LENGTH = 'Inference-Header-Content-Length';
