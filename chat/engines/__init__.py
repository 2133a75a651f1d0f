"""Who answers: a model behind the Messages API, or rules without one. Same tools, same gate, same history."""
