"use strict";
// Begins the code of the worker after the engine: it answers {id, question} by {id, answer}.

const solver = new Solver();
onmessage = ({ data: { id, question } }) => {
  solver.solve(question, (answer) => postMessage({ id, answer }));
};
